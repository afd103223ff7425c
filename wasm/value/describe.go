package value

import (
	"reflect"
	"strings"
)

// Describe is the TypeScript type of a Go type.
func Describe(t reflect.Type) string { return describe(t, 0) }

func describe(t reflect.Type, depth int) string {
	if depth > 8 { // a recursive type
		return "unknown"
	}
	switch t {
	case timeType:
		return "Date"
	case bigIntType, reflect.PointerTo(bigIntType):
		return "bigint"
	case mapType:
		return "Map<any, any>"
	case setType:
		return "Set<any>"
	case regExpType:
		return "RegExp"
	case sparseType:
		return "any[]"
	case errorType:
		return "Error"
	case undefinedType:
		return "undefined"
	case handleType:
		return "unknown"
	case readerType, readCloserType:
		return "ReadableStream"
	}
	if t.Implements(linkedType) {
		return reflect.Zero(t).Interface().(Linked).Describe()
	}
	switch t.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "string"
	case reflect.Pointer:
		return describe(t.Elem(), depth+1) + " | null"
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 && t.Kind() == reflect.Slice {
			return "ArrayBuffer"
		}
		e := describe(t.Elem(), depth+1)
		if strings.ContainsAny(e, " ") {
			e = "(" + e + ")"
		}
		return e + "[]"
	case reflect.Map:
		if t.Key().Kind() == reflect.String {
			return "Record<string, " + describe(t.Elem(), depth+1) + ">"
		}
		return "Map<" + describe(t.Key(), depth+1) + ", " + describe(t.Elem(), depth+1) + ">"
	case reflect.Struct:
		var b strings.Builder
		b.WriteString("{ ")
		for _, f := range fieldsOf(t) {
			b.WriteString(property(f.name))
			ft := t.FieldByIndex(f.index).Type
			if f.optional() {
				b.WriteString("?")
				if ft.Kind() == reflect.Pointer {
					ft = ft.Elem()
				}
			}
			b.WriteString(": " + describe(ft, depth+1) + "; ")
		}
		b.WriteString("}")
		return b.String()
	case reflect.Interface:
		return "any"
	}
	return "number"
}

// property is a property's name in a type: quoted if it is no identifier.
func property(name string) string {
	for i, r := range name {
		letter := r == '_' || r == '$' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return `"` + name + `"`
		}
	}
	return name
}
