package value

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/big"
	"reflect"
	"slices"
	"sort"
	"time"

	"durago.example/wasm/abi"
)

var (
	timeType   = reflect.TypeFor[time.Time]()
	bigIntType = reflect.TypeFor[big.Int]()
	bytesType  = reflect.TypeFor[[]byte]()

	mapType       = reflect.TypeFor[Map]()
	setType       = reflect.TypeFor[Set]()
	regExpType    = reflect.TypeFor[RegExp]()
	sparseType    = reflect.TypeFor[Sparse]()
	errorType     = reflect.TypeFor[*Error]()
	undefinedType = reflect.TypeFor[Undefined]()
	handleType    = reflect.TypeFor[Handle]()
)

// Marshal appends v's encoding to b.
func Marshal(b []byte, v any) ([]byte, error) { return encode(b, v, place{}) }

// AppendReflect appends v's encoding to b.
func AppendReflect(b []byte, v reflect.Value) ([]byte, error) { return encodeReflect(b, v, place{}) }

// place is where in a value an encoder is, and what makes handles there.
type place struct {
	depth int
	links *linking // nil: nothing but data may be there
}

func (p place) deeper() place { return place{p.depth + 1, p.links} }

func encode(b []byte, v any, at place) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return AppendNull(b), nil
	case Undefined:
		return AppendUndefined(b), nil
	case bool:
		return AppendBool(b, v), nil
	case int:
		return AppendInt(b, int64(v))
	case int64:
		return AppendInt(b, v)
	case float64:
		return AppendFloat(b, v), nil
	case string:
		return AppendString(b, v), nil
	case []byte:
		return AppendBytes(b, v), nil
	case RegExp:
		if v.Source == "" {
			v.Source = "(?:)" // as JavaScript writes it
		}
		return appendStr(appendStr(append(b, TagRegExp), v.Source), v.Flags), nil
	case Handle:
		return binary.LittleEndian.AppendUint32(append(b, TagHandle, v.Kind), v.ID), nil
	case Map:
		var err error
		b = binary.AppendUvarint(append(b, TagMap), uint64(len(v)))
		for _, p := range v {
			if b, err = encodeDeeper(b, p.Key, at); err != nil {
				return b, err
			}
			if b, err = encodeDeeper(b, p.Value, at); err != nil {
				return b, err
			}
		}
		return b, nil
	case Set:
		var err error
		b = binary.AppendUvarint(append(b, TagSet), uint64(len(v)))
		for _, p := range v {
			if b, err = encodeDeeper(b, p, at); err != nil {
				return b, err
			}
		}
		return b, nil
	case Sparse:
		return encodeSparse(b, v, at)
	case *Error:
		if v == nil {
			return AppendNull(b), nil
		}
		return encodeError(b, v, at)
	case Linked, io.Reader:
		if !isNil(v) {
			return appendLink(b, v, at)
		}
	}
	return encodeReflect(b, reflect.ValueOf(v), at)
}

func encodeDeeper(b []byte, v any, at place) ([]byte, error) {
	if at.depth >= abi.MaxDepth {
		return b, ErrDepth
	}
	return encode(b, v, at.deeper())
}

func encodeSparse(b []byte, s Sparse, at place) ([]byte, error) {
	b = binary.AppendUvarint(append(b, TagSparse), uint64(s.Length))
	b = binary.AppendUvarint(b, uint64(len(s.Items)))
	keys := make([]uint32, 0, len(s.Items))
	for k := range s.Items {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var err error
	for _, k := range keys {
		if b, err = encodeDeeper(binary.AppendUvarint(b, uint64(k)), s.Items[k], at); err != nil {
			return b, err
		}
	}
	return b, nil
}

func encodeError(b []byte, e *Error, at place) ([]byte, error) {
	b = appendStr(appendStr(appendStr(append(b, TagError), e.Name), e.Message), e.Stack)
	var err error
	if e.Cause == nil {
		b = append(b, 0)
	} else if b, err = encodeDeeper(append(b, 1), e.Cause, at); err != nil {
		return b, err
	}
	if e.Props == nil {
		return AppendObject(b, 0), nil
	}
	return encodeDeeper(b, e.Props, at)
}

func encodeReflect(b []byte, v reflect.Value, at place) ([]byte, error) {
	if at.depth > abi.MaxDepth {
		return b, ErrDepth
	}
	switch v.Kind() {
	case reflect.Invalid:
		return AppendNull(b), nil
	case reflect.Bool:
		return AppendBool(b, v.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return AppendInt(b, v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if v.Uint() > maxSafe {
			return b, fmt.Errorf("value: %d is beyond 2^53, where JavaScript numbers lose digits: use *big.Int or a string", v.Uint())
		}
		return AppendInt(b, int64(v.Uint()))
	case reflect.Float32, reflect.Float64:
		return AppendFloat(b, v.Float()), nil
	case reflect.String:
		return AppendString(b, v.String()), nil
	case reflect.Interface:
		if v.IsNil() {
			return AppendNull(b), nil
		}
		return encode(b, v.Interface(), at)
	case reflect.Pointer:
		if v.IsNil() {
			return AppendNull(b), nil
		}
		if v.Type().Elem() == bigIntType {
			return appendBigInt(b, v.Interface().(*big.Int)), nil
		}
		switch x := v.Interface().(type) {
		case *Error:
			return encodeError(b, x, at)
		case Linked, io.Reader:
			return appendLink(b, x, at)
		}
		return encodeReflect(b, v.Elem(), at.deeper())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return AppendBytes(b, v.Bytes()), nil
		}
		switch v.Type() {
		case mapType, setType:
			return encode(b, v.Interface(), at)
		}
		return encodeList(b, v, at)
	case reflect.Array:
		return encodeList(b, v, at)
	case reflect.Map:
		return encodeMap(b, v, at)
	case reflect.Struct:
		return encodeStruct(b, v, at)
	}
	return b, fmt.Errorf("value: %s cannot cross: want data, not a %s", v.Type(), v.Kind())
}

func appendBigInt(b []byte, n *big.Int) []byte {
	sign := byte(0)
	if n.Sign() < 0 {
		sign = 1
	}
	p := n.Bytes()
	slices.Reverse(p)
	return append(binary.AppendUvarint(append(b, TagBigInt, sign), uint64(len(p))), p...)
}

func encodeList(b []byte, v reflect.Value, at place) (_ []byte, err error) {
	b = AppendArray(b, v.Len())
	for i := range v.Len() {
		if b, err = encodeReflect(b, v.Index(i), at.deeper()); err != nil {
			return b, err
		}
	}
	return b, nil
}

func encodeMap(b []byte, v reflect.Value, at place) (_ []byte, err error) {
	keys := v.MapKeys()
	if v.Type().Key().Kind() == reflect.String {
		sort.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
		b = AppendObject(b, len(keys))
		for _, k := range keys {
			if b, err = encodeReflect(AppendKey(b, k.String()), v.MapIndex(k), at.deeper()); err != nil {
				return b, err
			}
		}
		return b, nil
	}
	b = binary.AppendUvarint(append(b, TagMap), uint64(len(keys)))
	for _, k := range keys {
		if b, err = encodeReflect(b, k, at.deeper()); err != nil {
			return b, err
		}
		if b, err = encodeReflect(b, v.MapIndex(k), at.deeper()); err != nil {
			return b, err
		}
	}
	return b, nil
}

func encodeStruct(b []byte, v reflect.Value, at place) (_ []byte, err error) {
	switch t := v.Type(); t {
	case timeType:
		when := v.Interface().(time.Time)
		if when.IsZero() {
			return AppendDate(b, math.NaN()), nil
		}
		return AppendDate(b, float64(when.UnixMilli())), nil
	case bigIntType:
		n := v.Interface().(big.Int)
		return appendBigInt(b, &n), nil
	case regExpType, sparseType, handleType, undefinedType:
		return encode(b, v.Interface(), at)
	}
	fields := fieldsOf(v.Type())
	n := 0
	for i := range fields {
		if !fields[i].omit(v) {
			n++
		}
	}
	b = AppendObject(b, n)
	for i := range fields {
		f := &fields[i]
		if f.omit(v) {
			continue
		}
		if b, err = encodeReflect(AppendKey(b, f.name), v.FieldByIndex(f.index), at.deeper()); err != nil {
			return b, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return b, nil
}
