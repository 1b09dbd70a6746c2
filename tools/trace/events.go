package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"

	"muster/kernel/shell"
)

// recordTo boots, records the events of all CPUs while commands run, and writes them to a
// file.
func recordTo(file string, cpus int, run string) error {
	text, err := output(cpus, "trace start; "+run+"; trace stop", "trace stop")
	if err != nil {
		return err
	}
	events, err := timeline(text)
	if err != nil {
		return err
	}
	if note, _, ok := strings.Cut(text, "\n{"); ok {
		log.Print(note) // what was lost
	}
	return os.WriteFile(file, events, 0o644)
}

// timeline finds the recording in the output of trace stop.
func timeline(text string) ([]byte, error) {
	_, text, ok := strings.Cut("\n"+text, "\n{")
	if !ok {
		return nil, fmt.Errorf("no recording in %q", text)
	}
	var t shell.Timeline
	if err := json.NewDecoder(strings.NewReader("{" + text)).Decode(&t); err != nil {
		return nil, err
	}
	if len(t.Events) == 0 {
		return nil, fmt.Errorf("the recording is empty")
	}
	return json.Marshal(t)
}
