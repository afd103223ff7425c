// Package nesting measures JSON. What reads JSON calls itself for each value within another, and a call stack that is full
// ends the isolate: on workerd 5,000 lists within each other are enough, in a text of 10 KB.
package nesting

// Most is how deep a text of a client may be nested. The codec of RPC takes 256.
const Most = 128

// Of is how deep the lists and objects of a JSON text are within each other; of what is no JSON it is anything.
func Of(text []byte) (deepest int) {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ']', '}':
			depth--
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		}
	}
	return deepest
}
