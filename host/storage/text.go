package storage

import "unicode/utf8"

// wellFormed is a text as JavaScript gets it: each maximal part of what is not UTF-8 is one U+FFFD. See
// https://encoding.spec.whatwg.org/#utf-8-decoder.
func wellFormed(text []byte) []byte {
	if utf8.Valid(text) {
		return text
	}
	out := make([]byte, 0, len(text)+8)
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 {
			n = illFormed(text)
		}
		out = utf8.AppendRune(out, r)
		text = text[n:]
	}
	return out
}

// illFormed is how many bytes at the start of the text begin a character that does not go on.
func illFormed(text []byte) int {
	low, high, more := byte(0x80), byte(0xbf), 0
	switch c := text[0]; {
	case c >= 0xc2 && c <= 0xdf:
		more = 1
	case c >= 0xe0 && c <= 0xef:
		more = 2
		if c == 0xe0 {
			low = 0xa0
		} else if c == 0xed {
			high = 0x9f
		}
	case c >= 0xf0 && c <= 0xf4:
		more = 3
		if c == 0xf0 {
			low = 0x90
		} else if c == 0xf4 {
			high = 0x8f
		}
	}
	n := 1
	for n <= more && n < len(text) && text[n] >= low && text[n] <= high {
		low, high = 0x80, 0xbf
		n++
	}
	return n
}
