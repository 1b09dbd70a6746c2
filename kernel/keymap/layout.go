package keymap

import "unicode"

// Layout says which characters the keys have.
type Layout struct {
	Name   string
	altGr  bool                   // the right Alt key selects the third level
	levels map[Key][3]rune        // alone, with Shift, on the third level; 0 for none
	dead   map[rune]map[rune]rune // an accent, and what it makes of the next character
	dot    rune                   // on the number pad
}

// Names lists the layouts.
func Names() []string { return []string{"us", "de"} }

// Find returns a layout by its name, nil if there is none.
func Find(name string) *Layout {
	switch name {
	case "us":
		return us()
	case "de":
		return de()
	}
	return nil
}

// row gives keys in a row their characters, one level after the other. A space stands
// for none.
func (l *Layout) row(keys []Key, levels ...string) {
	for i, text := range levels {
		for j, r := range []rune(text) {
			if r == ' ' {
				continue
			}
			x := l.levels[keys[j]]
			x[i] = r
			l.levels[keys[j]] = x
		}
	}
}

// The rows of the keyboard. European keyboards have KeyHash where American ones have
// KeyBackslash, and both send the same scancode.
var (
	rowDigits = []Key{KeyGrave, Key1, Key1 + 1, Key1 + 2, Key1 + 3, Key1 + 4, Key1 + 5, Key1 + 6, Key1 + 7, Key1 + 8, Key0, KeyMinus, KeyEqual}
	rowUpper  = []Key{letter('q'), letter('w'), letter('e'), letter('r'), letter('t'), letter('y'), letter('u'), letter('i'), letter('o'), letter('p'), KeyLeftBracket, KeyRightBrack, KeyBackslash, KeyHash}
	rowHome   = []Key{letter('a'), letter('s'), letter('d'), letter('f'), letter('g'), letter('h'), letter('j'), letter('k'), letter('l'), KeySemicolon, KeyQuote}
	rowLower  = []Key{Key102, letter('z'), letter('x'), letter('c'), letter('v'), letter('b'), letter('n'), letter('m'), KeyComma, KeyDot, KeySlash}
)

func us() *Layout {
	l := &Layout{Name: "us", levels: map[Key][3]rune{KeySpace: {' ', ' ', 0}}, dot: '.'}
	l.row(rowDigits, "`1234567890-=", "~!@#$%^&*()_+")
	l.row(rowUpper, `qwertyuiop[]\\`, `QWERTYUIOP{}||`)
	l.row(rowHome, "asdfghjkl;'", "ASDFGHJKL:\"")
	l.row(rowLower, `\zxcvbnm,./`, `|ZXCVBNM<>?`)
	return l
}

func de() *Layout {
	l := &Layout{Name: "de", altGr: true, levels: map[Key][3]rune{KeySpace: {' ', ' ', ' '}}, dot: ','}
	l.row(rowDigits, "^1234567890ß´", "°!\"§$%&/()=?`", `  ²³   {[]}\ `)
	l.row(rowUpper, "qwertzuiopü+##", "QWERTZUIOPÜ*''", "@ €        ~  ")
	l.row(rowHome, "asdfghjklöä", "ASDFGHJKLÖÄ")
	l.row(rowLower, "<yxcvbnm,.-", ">YXCVBNM;:_", "|      µ   ")
	l.dead = map[rune]map[rune]rune{
		'^': accents("aeiou", "âêîôû"),
		'´': accents("aeiouy", "áéíóúý"),
		'`': accents("aeiou", "àèìòù"),
	}
	return l
}

// accents makes the table of one accent, for small and for capital letters.
func accents(plain, with string) map[rune]rune {
	m := map[rune]rune{}
	to := []rune(with)
	for i, r := range []rune(plain) {
		m[r] = to[i]
		m[unicode.ToUpper(r)] = unicode.ToUpper(to[i])
	}
	return m
}

// char returns the character of a key, 0 for none. Caps Lock exchanges small and capital
// letters, and leaves other characters.
func (l *Layout) char(k Key, shift, caps, third bool) rune {
	x := l.levels[k]
	if third {
		return x[2]
	}
	if caps && unicode.IsLetter(x[0]) && unicode.ToUpper(x[0]) == x[1] {
		shift = !shift
	}
	if shift {
		return x[1]
	}
	return x[0]
}
