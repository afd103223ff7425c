package value

import (
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"

	"durago.example/wasm/abi"
)

// into decodes the next value into what p points to.
func (d *decoder) into(p any) error {
	if d.depth == 0 && d.at < len(d.b) { // the common scalars cost no reflection
		switch p := p.(type) {
		case *string:
			if d.b[d.at] == TagString {
				d.at++
				*p = d.str()
				return d.err
			}
		case *int:
			if d.b[d.at] == TagInt {
				d.at++
				*p = int(d.zigzag())
				return d.err
			}
		case *float64:
			if d.b[d.at] == TagInt {
				d.at++
				*p = float64(d.zigzag())
				return d.err
			}
		case *bool:
			if t := d.b[d.at]; t == TagTrue || t == TagFalse {
				d.at++
				*p = t == TagTrue
				return d.err
			}
		}
	}
	v := reflect.ValueOf(p)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return fmt.Errorf("value: cannot decode into %T: want a pointer", p)
	}
	if err := d.reflect(v.Elem()); err != nil {
		return err
	}
	return d.err
}

func names(tag byte) string {
	switch tag {
	case TagUndefined:
		return "undefined"
	case TagNull:
		return "null"
	case TagTrue, TagFalse:
		return "a boolean"
	case TagInt, TagFloat:
		return "a number"
	case TagString, TagString16:
		return "a string"
	case TagBytes, TagView:
		return "bytes"
	case TagDate:
		return "a Date"
	case TagRegExp:
		return "a RegExp"
	case TagArray, TagSparse:
		return "an array"
	case TagObject:
		return "an object"
	case TagMap:
		return "a Map"
	case TagSet:
		return "a Set"
	case TagBigInt:
		return "a BigInt"
	case TagError:
		return "an Error"
	case TagHandle:
		return "a handle"
	}
	return "a malformed value"
}

// nothing reads null or undefined, which is all that goes into an interface with methods besides handles.
func (d *decoder) nothing(v reflect.Value) error {
	tag := d.begin()
	defer d.end()
	if d.err == nil && tag != TagNull && tag != TagUndefined {
		return fmt.Errorf("cannot read %s into %s", names(tag), v.Type())
	}
	v.SetZero()
	return d.err
}

// reflect decodes the next value into v; the error says where in it the types disagree.
func (d *decoder) reflect(v reflect.Value) (err error) {
	if d.err != nil {
		return d.err
	}
	if d.links != nil && d.at < len(d.b) && d.b[d.at] == TagHandle {
		d.begin()
		defer d.end()
		if h := d.handle(); d.err == nil {
			return d.links.Follow(h, v)
		}
		return d.err
	}
	if v.Kind() == reflect.Interface {
		if v.NumMethod() > 0 {
			return d.nothing(v)
		}
		if x := d.any(); x != nil {
			v.Set(reflect.ValueOf(x))
		} else {
			v.SetZero()
		}
		return d.err
	}
	if d.at >= len(d.b) {
		return ErrMalformed
	}
	if isOwn(v.Type()) {
		return d.own(v)
	}
	peek := d.b[d.at]
	if v.Kind() == reflect.Pointer && v.Type().Elem() != bigIntType && peek != TagNull && peek != TagUndefined {
		if d.depth > abi.MaxDepth {
			return ErrDepth
		}
		n := reflect.New(v.Type().Elem())
		if err := d.reflect(n.Elem()); err != nil {
			return err
		}
		v.Set(n)
		return nil
	}
	tag := d.begin()
	defer d.end()
	if d.err != nil {
		return d.err
	}
	switch tag {
	case TagUndefined:
		v.SetZero()
		return nil
	case TagNull:
		switch v.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			v.SetZero()
			return nil
		}
	case TagRef:
		d.follow(func() { err = d.reflect(v) })
		return err
	case TagBoxed:
		return d.reflect(v)
	case TagTrue, TagFalse:
		if v.Kind() == reflect.Bool {
			v.SetBool(tag == TagTrue)
			return nil
		}
	case TagInt, TagFloat:
		f, whole := 0.0, int64(0)
		if tag == TagInt {
			whole = d.zigzag()
			f = float64(whole)
		} else {
			f = d.float()
			whole = int64(f)
		}
		return setNumber(v, f, whole)
	case TagString, TagString16:
		var s string
		if tag == TagString {
			s = d.str()
		} else {
			s = d.string16()
		}
		if v.Kind() == reflect.String {
			v.SetString(s)
			return d.err
		}
	case TagBytes, TagView:
		if tag == TagView {
			d.byte()
		}
		p := d.bytes()
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(slices.Clone(p))
			return d.err
		}
	case TagDate:
		ms := d.float()
		if v.Type() == timeType {
			v.Set(reflect.ValueOf(date(ms)))
			return d.err
		}
	case TagBigInt:
		n := d.bigInt()
		if v.Kind() == reflect.Pointer {
			v.Set(reflect.ValueOf(n))
			return d.err
		}
		if v.Type() == bigIntType {
			v.Set(reflect.ValueOf(*n))
			return d.err
		}
		if v.CanInt() || v.CanUint() {
			return setBigInt(v, n)
		}
	case TagArray, TagSet:
		n := d.count(1)
		return d.list(v, n, tag)
	case TagObject:
		n := d.count(2)
		switch {
		case v.Kind() == reflect.Struct && v.Type() != timeType && v.Type() != bigIntType:
			return d.structure(v, n)
		case v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String:
			return d.object(v, n)
		}
	case TagMap:
		n := d.count(2)
		if v.Kind() == reflect.Map {
			return d.mapping(v, n)
		}
	}
	if d.err != nil {
		return d.err
	}
	return fmt.Errorf("cannot read %s into %s", names(tag), v.Type())
}

// isOwn tells whether a type is one of this package that stands for a class of JavaScript's.
func isOwn(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Slice, reflect.Struct, reflect.Pointer:
	default:
		return false
	}
	switch t {
	case mapType, setType, regExpType, sparseType, errorType, undefinedType, handleType:
		return true
	}
	return false
}

// own decodes into one of those types.
func (d *decoder) own(v reflect.Value) error {
	tag := d.b[d.at]
	switch x := reflect.ValueOf(d.any()); {
	case d.err != nil:
		return d.err
	case x.IsValid() && x.Type() == v.Type():
		v.Set(x)
	case tag == TagUndefined, tag == TagNull && v.Kind() != reflect.Struct:
		v.SetZero()
	default:
		return fmt.Errorf("cannot read %s into %s", names(tag), v.Type())
	}
	return nil
}

func setNumber(v reflect.Value, f float64, whole int64) error {
	switch {
	case v.CanFloat():
		v.SetFloat(f)
		return nil
	case v.CanInt() || v.CanUint():
		if f != math.Trunc(f) || math.IsInf(f, 0) {
			return fmt.Errorf("cannot read %v into %s", f, v.Type())
		}
		if math.Abs(f) > maxSafe {
			return fmt.Errorf("%v is beyond 2^53 and may have lost digits: send a BigInt or a string", f)
		}
		if v.CanInt() && !v.OverflowInt(whole) {
			v.SetInt(whole)
			return nil
		}
		if v.CanUint() && whole >= 0 && !v.OverflowUint(uint64(whole)) {
			v.SetUint(uint64(whole))
			return nil
		}
		return fmt.Errorf("%d does not fit %s", whole, v.Type())
	}
	return fmt.Errorf("cannot read a number into %s", v.Type())
}

// setBigInt stores a BigInt in an integer: what JavaScript sends where a number would lose digits.
func setBigInt(v reflect.Value, n *big.Int) error {
	switch {
	case v.CanInt() && n.IsInt64() && !v.OverflowInt(n.Int64()):
		v.SetInt(n.Int64())
	case v.CanUint() && n.IsUint64() && !v.OverflowUint(n.Uint64()):
		v.SetUint(n.Uint64())
	default:
		return fmt.Errorf("%s does not fit %s", n.String(), v.Type())
	}
	return nil
}

func (d *decoder) list(v reflect.Value, n int, tag byte) error {
	switch v.Kind() {
	case reflect.Slice:
		if v.Type() == bytesType {
			return fmt.Errorf("cannot read %s into %s", names(tag), v.Type())
		}
		v.Set(reflect.MakeSlice(v.Type(), 0, min(n, 1024)))
		zero := reflect.Zero(v.Type().Elem())
		for i := range n {
			v.Set(reflect.Append(v, zero))
			if err := d.reflect(v.Index(i)); err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
		}
		return nil
	case reflect.Array:
		if n != v.Len() {
			return fmt.Errorf("cannot read %d elements into %s", n, v.Type())
		}
		for i := range n {
			if err := d.reflect(v.Index(i)); err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
		}
		return nil
	}
	return fmt.Errorf("cannot read %s into %s", names(tag), v.Type())
}

func (d *decoder) structure(v reflect.Value, n int) error {
	fields := fieldsOf(v.Type())
	for range n {
		key := d.bytes()
		if d.err != nil {
			return d.err
		}
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == string(key) })
		if i < 0 {
			if d.skip(); d.err != nil {
				return d.err
			}
			continue
		}
		if err := d.reflect(v.FieldByIndex(fields[i].index)); err != nil {
			return fmt.Errorf("%s: %w", fields[i].name, err)
		}
	}
	return d.err
}

func (d *decoder) object(v reflect.Value, n int) error {
	m := reflect.MakeMap(v.Type())
	for range n {
		key := d.str()
		e := reflect.New(v.Type().Elem()).Elem()
		if err := d.reflect(e); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		m.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), e)
	}
	v.Set(m)
	return d.err
}

func (d *decoder) mapping(v reflect.Value, n int) error {
	m := reflect.MakeMap(v.Type())
	for range n {
		k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		if err := d.reflect(k); err != nil {
			return fmt.Errorf("key: %w", err)
		}
		if !k.Comparable() {
			return fmt.Errorf("key: %s cannot be the key of a Go map", k.Type())
		}
		if err := d.reflect(e); err != nil {
			return err
		}
		m.SetMapIndex(k, e)
	}
	v.Set(m)
	return d.err
}
