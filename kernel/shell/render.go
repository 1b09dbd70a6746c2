package shell

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/tabwriter"
)

// render prints a structure for users: one line for each plain field, and a table
// for each list of structures. Names are those of the JSON form.
func render(w io.Writer, v any) error {
	s := reflect.Indirect(reflect.ValueOf(v))
	out := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	var lists []int
	for i := range s.NumField() {
		f := s.Field(i)
		switch {
		case fieldName(s.Type().Field(i)) == "":
		case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Struct:
			lists = append(lists, i)
		default:
			fmt.Fprintf(out, "%s\t%s\n", fieldName(s.Type().Field(i)), text(fieldName(s.Type().Field(i)), f))
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	for _, i := range lists {
		if s.Field(i).Len() > 0 {
			fmt.Fprintf(w, "%s:\n", fieldName(s.Type().Field(i)))
			if err := renderRows(w, s.Field(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// renderRows prints a list of structures with a column for each field.
func renderRows(w io.Writer, list reflect.Value) error {
	out := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	t := list.Type().Elem()
	for j := range t.NumField() {
		fmt.Fprintf(out, "%s\t", strings.ToUpper(fieldName(t.Field(j))))
	}
	fmt.Fprintln(out)
	for i := range list.Len() {
		for j := range t.NumField() {
			fmt.Fprintf(out, "%s\t", text(fieldName(t.Field(j)), list.Index(i).Field(j)))
		}
		fmt.Fprintln(out)
	}
	return out.Flush()
}

// fieldName returns a field's name in JSON, "" if it is not shown.
func fieldName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return strings.TrimSuffix(name, "-")
}

// addresses are the ends of names of fields that are printed in hexadecimal.
var addresses = []string{"address", "base", "size", "mailbox", "block", "flags", "smi_cmd", "hardware_id"}

// text returns a value in the form for users.
func text(name string, v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return "absent"
		}
		v = v.Elem()
	}
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return s.String()
	}
	if v.CanUint() && name != "gsi_base" {
		for _, a := range addresses {
			if strings.HasSuffix(name, a) {
				return fmt.Sprintf("%#x", v.Uint())
			}
		}
	}
	return fmt.Sprint(v.Interface())
}
