package main

import "muster/test/sysfuzz"

// list is the calls of each thread, to be made again and again, in place of those of the
// seed. It is empty: tools/shrink puts a file with a short list in place of this one.
var list [][]sysfuzz.Call
