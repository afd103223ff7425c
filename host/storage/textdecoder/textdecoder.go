// Package textdecoder reads UTF-8 as the web's TextDecoder does: each maximal part of a character that does not go on is
// one U+FFFD, where Go has one for each byte. A text that a guest writes goes by way of a JavaScript string on Workers, and
// comes back like that. See https://encoding.spec.whatwg.org/#utf-8-decoder. It may be used from any goroutine.
package textdecoder

import "unicode/utf8"

// WellFormed is text itself if it is UTF-8, else a copy in which what is not has been replaced.
func WellFormed(text []byte) []byte {
	if utf8.Valid(text) {
		return text
	}
	out := make([]byte, 0, len(text)+8)
	for len(text) > 0 {
		r, n := DecodeRune(text)
		out = utf8.AppendRune(out, r)
		text = text[n:]
	}
	return out
}

// DecodeRune is utf8.DecodeRune, but for the number of bytes that a U+FFFD stands for.
func DecodeRune(text []byte) (r rune, size int) {
	r, size = utf8.DecodeRune(text)
	if r == utf8.RuneError && size == 1 {
		size = illFormed(text)
	}
	return r, size
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
