package main

import "regexp"

// A pattern is a wording that the project does not use.
type pattern struct {
	name    string
	re      *regexp.Regexp
	except  *regexp.Regexp // a hit inside such a match is not a finding; nil without exceptions
	reason  string
	instead string // continues "write "
}

// The people of this tree's texts. All other actors are things: "that", not "who".
const people = `(reader|student|user|person|people|author|engineer|developer|programmer|maintainer|contributor|attacker|operator)s?`

// patterns is the law of STYLE.md, "English", as far as a regular expression can
// see it. testdata/examples.txt has a wrong and a right sentence for each.
var patterns = []pattern{
	// One word for one thing: the manuals' and Linux's.
	{
		name: "message",
		re:   re(`(?i)\bmessages?\b`),
		except: re(`(?i)\b(log|error|panic|commit|signal|kernel|warning|console|status|` +
			`printed|failure|usage|MSI|boot|first|last|assertion|its|the same|SCM|DMAR) messages?\b|messages? \(MSI\)|message[- ](signal|number|address|data|text)`),
		reason:  "the term for an interrupt that a CPU sends is IPI",
		instead: "IPI, INIT or SIPI; or say which message: a log message, an error message",
	},
	{
		name:    "start-up message",
		re:      re(`(?i)\bstart-?up (message|IPI|interrupt)s?\b`),
		except:  re(`start-up IPI, SIPI|\(start-up IPI\)`),
		reason:  "the manual's term is SIPI",
		instead: "SIPI",
	},
	{
		name:    "take part",
		re:      re(`(?i)\b(takes?|taking|took|taken) part\b`),
		reason:  "the state of a CPU is online",
		instead: "is online, comes online",
	},
	{
		name:    "guard",
		re:      re(`(?i)\bguard(s|ed|ing)?\b`),
		except:  re(`(?i)\bguard(ed)? (pages?|by)\b|\b(locks?|mu|mutex|mutexes) guards?\b|\bguards? (the|it|a|an|all|both)\b|stack guard`),
		reason:  "SMEP, SMAP, NX and others are mitigations",
		instead: "mitigation",
	},
	{
		name: "protection",
		re:   re(`(?i)\bprotections?\b`),
		except: re(`(?i)\b(general|memory|page|control|copy|write|mmap's|the|ring|its|x86|stack) protections?\b|paging, protection|protection (fault|key|error|bit|flag|exception)s?|` +
			`protection \(PROT_`),
		reason:  "SMEP, SMAP, NX, UMIP and the settings against speculation are mitigations",
		instead: "mitigation",
	},
	{
		name:    "per-CPU area",
		re:      re(`(?i)\bper-CPU areas?\b`),
		reason:  "an area is a range of an address space (mem.Area)",
		instead: "per-CPU block (percpu.CPU) or per-CPU memory (package cpus)",
	},
	{
		name:    "stand-in",
		re:      re(`(?i)\bstand-?ins?\b`),
		reason:  "the package is fakeg",
		instead: "fake g",
	},

	// The actor is named.
	{
		name:    "headless who",
		re:      re(`(?i)\bwho(ever|m|mever)?\b`),
		except:  re(`(?i)\b` + people + `,? who\b|^Who [^.]*\?|\bwho (am|is|are) [^.]*\?`),
		reason:  "a clause with who hides which CPU, thread or package acts",
		instead: "the noun: the CPU that ..., the thread that ..., which package ...",
	},
	{
		name:    "nobody",
		re:      re(`(?i)\b(no|some|every|any)body('s)?\b|\b(some|every|any)one('s)?\b|\bno one\b`),
		reason:  "the word hides which CPU, thread or package is meant",
		instead: "no CPU, another thread, every package",
	},
	{
		name:    "wants",
		re:      re(`(?i)\bwants\b|\b(is|are|was|were|what is) wanted\b`),
		except:  re(`(?i)\b(you|` + people + `)( who)? wants\b`),
		reason:  "a test, a CPU or a program has no wishes",
		instead: "requests, needs, expects, requires",
	},
	{
		name:    "asks",
		re:      re(`(?i)\b(asks?|asking|asked)\b`),
		except:  re(`(?i)\b` + people + `( who)? (asks?|asked)\b|\basking price\b`),
		reason:  "CPUs, calls and tests do not ask",
		instead: "requests, reads, checks, sends an IPI to",
	},
	{
		name:    "likes",
		re:      re(`(?i)\b(likes|dislikes|wishes|hopes|cares|believes)\b|\bas (it|they|the [a-z]+) likes?\b`),
		except:  re(`(?i)\b` + people + `( who)? (likes|wishes|hopes|cares|believes)\b`),
		reason:  "things have no feelings",
		instead: "what the thing does: chooses, accepts, checks",
	},
	{
		name:    "knows of",
		re:      re(`(?i)\b(knows?|knew|known) (of|about)\b`),
		except:  re(`(?i)\b` + people + ` know`),
		reason:  "packages and CPUs have no knowledge",
		instead: "uses, has a record of, imports, reads",
	},
	{
		name:    "is told",
		re:      re(`(?i)\b(is|are|was|were|be|been|being|gets?) told\b|\b(tells|told) (the|a|an|another|every|each|all|its?|them|that) `),
		except:  re(`(?i)\b(told|tells?( \w+)+) apart\b|\btells the (reader|user|student|truth)`),
		reason:  "a CPU or program receives a request, it is not told",
		instead: "is notified, receives, reads; X sets, X sends",
	},

	// Subject, verb, object.
	{
		name:    "inversion",
		re:      re(`(?i)(^|[.:;,] (and )?)(so|nor|neither) (do|does|did|is|are|was|were|has|have|had|can|could|must|may|will|would|should)\b`),
		reason:  "the inverted order is hard to read",
		instead: "the subject first: X does too; Y is not either",
	},
	{
		name:    "not before",
		re:      re(`^Not (before|until|after|unless|in|on|at|for|by|with|while|when|all|every)\b`),
		reason:  "the sentence has no subject",
		instead: "subject and verb first: X does this after Y",
	},
	{
		name: "inverted adverb",
		re: re(`(?:^|[.:;] )(?:[Oo]nly (?:then|now|here|there|so|after|when|if|before|in|by|on|with|at)\b[^.,:;]{0,40}? (?:does|do|did|is|are|can|may|must|has|have|will)\b` +
			`|(?:Never|Nowhere|Rarely|Seldom|Nor|Neither) (?:does|do|did|is|are|can|may|must|has|have|will)\b)`),
		reason:  "the inverted order is hard to read",
		instead: "the subject first",
	},
	{
		name:    "missing subject",
		re:      re(`^(Anywhere|Elsewhere|Everywhere|Otherwise), (for|by|as|with)\b|^(Hence|Thus|Whence) (the|a|an|no) [^.]{0,40}\.$`),
		reason:  "the sentence has no subject or no verb",
		instead: "subject and verb",
	},

	// Plain words.
	{
		name:    "which is none",
		re:      re(`(?i)\b(which|that|but|it|and) (is|are|was|were) none\b`),
		reason:  "the pronoun does not say what is missing",
		instead: "the noun: that is not a core package, without a record",
	},
	{
		name:    "so-many-th",
		re:      re(`(?i)\b(so-many-?th|n-?th|a so-and-so|so-and-so|such-and-such)\b`),
		reason:  "the term is not English for second-language readers",
		instead: "one of n, every n IPIs",
	},
	{
		name:    "is no",
		re:      re(`(?i)\b(that|which|package [a-z]+|FILE|None|Silent) (is|are|was|were) no [a-z]`),
		except:  re(`(?i)\bno (longer|more|less|fewer|better|worse|different)\b`),
		reason:  "the negation belongs to the verb",
		instead: "is not a: a file that is not a program",
	},
	{
		name:    "behind",
		re:      re(`(?i)\bbehind\b`),
		except:  re(`(?i)\b(left|leaves?|leaving|leaves (little|nothing|no [a-z]+)|little|no file) behind\b|\b(is|are|falls?|waits?|waiting|lags?) behind\b`),
		reason:  "things in a list, a file, a line or an order of steps come one after the other",
		instead: "after, beyond the end, above",
	},
	{
		name: "archaic",
		re: re(`(?i)\b(for want of|lest|whence|hence|thence|hither|thither|hitherto|whereof|whereby|wherein|whereupon|thereof|thereby|therein|thereupon|therewith|` +
			`forthwith|notwithstanding|albeit|ere|nought|naught|aught|whilst|amongst|save that|save for|but for|behoves?|inasmuch|insofar)\b`),
		reason:  "the word is rare",
		instead: "a plain one: because there is no, so that not, from which, therefore, except",
	},
	{
		name:    "own matter",
		re:      re(`(?i)\b(its|their|his|whose|caller's|program's|own) own matter\b|\bown matter\b|\b(is|are) (its|their|the [a-z]+'s) (business|affair|trade)\b|\bkernel's trade\b`),
		reason:  "the idiom does not say what happens",
		instead: "what happens: programs do not share an address space",
	},
	{
		name:    "in the way",
		re:      re(`(?i)\bin the way( |[.,;:]|$)`),
		except:  re(`(?i)\bin the way (that|of)\b`),
		reason:  "the idiom does not say what is blocked",
		instead: "occupies the address, blocks the CPU",
	},
	{
		name:    "for ever",
		re:      re(`(?i)\bfor ever\b|\bfor good\b`),
		reason:  "the spelling is rare",
		instead: "forever, without end, never freed",
	},
}

func re(s string) *regexp.Regexp { return regexp.MustCompile(s) }

// A finding is a pattern's place in a sentence.
type finding struct {
	pattern *pattern
	at      int // byte offset
}

// match returns the findings of a sentence.
func match(s string) (list []finding) {
	for i := range patterns {
		p := &patterns[i]
		var excepted [][]int
		if p.except != nil {
			excepted = p.except.FindAllStringIndex(s, -1)
		}
		for _, hit := range p.re.FindAllStringIndex(s, -1) {
			if !inside(hit, excepted) {
				list = append(list, finding{p, hit[0]})
			}
		}
	}
	return list
}

// inside reports whether a hit shares a byte with one of the ranges.
func inside(hit []int, ranges [][]int) bool {
	for _, r := range ranges {
		if hit[0] < r[1] && r[0] < hit[1] {
			return true
		}
	}
	return false
}
