package v8

import (
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"

	"durago.example/host/storage/textdecoder"
)

// isASCII tells whether all bytes are below 128.
func isASCII(p []byte) bool {
	for len(p) >= 8 {
		if binary.LittleEndian.Uint64(p)&0x8080808080808080 != 0 {
			return false
		}
		p = p[8:]
	}
	for _, c := range p {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// measure counts the UTF-16 units of a UTF-8 text, and tells whether all are Latin-1. What is not valid counts as
// U+FFFD.
func measure(p []byte) (units int, latin bool) {
	latin = true
	for len(p) > 0 {
		r, n := textdecoder.DecodeRune(p)
		p = p[n:]
		latin = latin && r <= 0xff
		units++
		if r > 0xffff {
			units++
		}
	}
	return units, latin
}

func appendLatin(b, text []byte) []byte {
	for len(text) > 0 {
		r, n := textdecoder.DecodeRune(text)
		text = text[n:]
		b = append(b, byte(r))
	}
	return b
}

func appendUTF16(b, text []byte) []byte {
	for len(text) > 0 {
		r, n := textdecoder.DecodeRune(text)
		text = text[n:]
		if r > 0xffff {
			high, low := utf16.EncodeRune(r)
			b = binary.LittleEndian.AppendUint16(b, uint16(high))
			r = low
		}
		b = binary.LittleEndian.AppendUint16(b, uint16(r))
	}
	return b
}

// unit is the UTF-16 unit at the index i of its little-endian bytes.
func unit(p []byte, i int) rune { return rune(binary.LittleEndian.Uint16(p[2*i:])) }

// isLatin tells whether all units are Latin-1.
func isLatin(p []byte) bool {
	for i := range len(p) / 2 {
		if unit(p, i) > 0xff {
			return false
		}
	}
	return true
}

// latinLength is how many bytes a Latin-1 text has in UTF-8.
func latinLength(p []byte) int {
	n := len(p)
	for _, c := range p {
		if c >= utf8.RuneSelf {
			n++
		}
	}
	return n
}

func appendFromLatin(b, p []byte) []byte {
	for _, c := range p {
		b = utf8.AppendRune(b, rune(c))
	}
	return b
}

// utf16Length is how many bytes a UTF-16 text has in UTF-8, a lone surrogate as U+FFFD; whole tells that it has none.
func utf16Length(p []byte) (n int, whole bool) {
	whole = true
	eachUTF16(p, func(r rune, lone bool) {
		n += utf8.RuneLen(r)
		whole = whole && !lone
	})
	return n, whole
}

func appendFromUTF16(b, p []byte) []byte {
	eachUTF16(p, func(r rune, _ bool) { b = utf8.AppendRune(b, r) })
	return b
}

func eachUTF16(p []byte, f func(r rune, lone bool)) {
	for i, n := 0, len(p)/2; i < n; i++ {
		r := unit(p, i)
		if !utf16.IsSurrogate(r) {
			f(r, false)
			continue
		}
		pair := rune(utf8.RuneError)
		if i+1 < n {
			pair = utf16.DecodeRune(r, unit(p, i+1))
		}
		if pair == utf8.RuneError {
			f(utf8.RuneError, true)
			continue
		}
		i++
		f(pair, false)
	}
}

// arrayIndex is the number of a key that is an array index: "0" to "4294967294", without leading zeros.
func arrayIndex(key []byte) (uint32, bool) {
	if len(key) == 0 || len(key) > 10 || key[0] < '0' || key[0] > '9' || key[0] == '0' && len(key) > 1 {
		return 0, false
	}
	n := uint64(0)
	for _, c := range key {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return uint32(n), n <= maxIndex
}
