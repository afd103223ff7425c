package v8

import "durago.example/wasm/value"

// dense reads an array of V8's that has each element up to its length, except where a hole is marked.
func (d *decoder) dense(i int) {
	n := d.count(1)
	holes := 0
	if d.careful {
		holes = d.holes(n)
	}
	if holes == 0 {
		d.begin(i, value.TagArray)
		d.uint(uint64(n))
	} else {
		d.begin(i, value.TagSparse)
		d.uint(uint64(n))
		d.uint(uint64(n - holes))
	}
	for k := 0; k < n && d.err == nil; k++ {
		if d.is(tagHole) {
			if holes == 0 {
				d.fail(errIrregular)
			}
			continue
		}
		if holes > 0 {
			d.uint(uint64(k))
		}
		d.value()
	}
	d.want(d.named(tagDenseEnd))
	d.want(n)
}

// holes looks ahead for how many of the next n elements are holes.
func (d *decoder) holes(n int) (holes int) {
	d.detour(d.at, func() {
		for ; n > 0 && d.err == nil; n-- {
			if d.is(tagHole) {
				holes++
			} else {
				d.skip()
			}
		}
	})
	return holes
}

// named steps over an array's named properties and the tag behind them, and returns how many there are.
func (d *decoder) named(end byte) (n int) {
	for ; d.err == nil && !d.is(end); n++ {
		d.skipKey()
		d.skip()
	}
	return n
}

// sparse reads an array of V8's whose elements are properties. If none is missing it is written as a dense one.
func (d *decoder) sparse(i int) {
	length := d.uint32()
	n, all := d.elements()
	full := d.err == nil && uint64(n) == uint64(length)
	if full {
		full = d.inOrder(n)
	}
	if full {
		d.begin(i, value.TagArray)
		d.uint(uint64(n))
	} else {
		d.begin(i, value.TagSparse)
		d.uint(uint64(length))
		d.uint(uint64(n))
	}
	for d.err == nil && !d.is(tagSparseEnd) {
		index, ok := d.elementKey()
		if !ok {
			d.skip()
			continue
		}
		if index >= length {
			d.fail(ErrMalformed)
			return
		}
		if !full {
			d.uint(uint64(index))
		}
		d.value()
	}
	d.want(all)
	d.want(int(length))
}

// elements looks ahead for how many of an array's properties are elements, and how many there are in all.
func (d *decoder) elements() (n, all int) {
	d.detour(d.at, func() {
		for ; d.err == nil && !d.is(tagSparseEnd); all++ {
			if _, ok := d.elementKey(); ok {
				n++
			}
			d.skip()
		}
	})
	return n, all
}

// inOrder looks ahead whether the elements have the indexes from 0 to below n, in order.
func (d *decoder) inOrder(n int) bool {
	next := uint32(0)
	d.detour(d.at, func() {
		for d.err == nil && !d.is(tagSparseEnd) {
			if index, ok := d.elementKey(); ok && index == next {
				next++
			}
			d.skip()
		}
	})
	return next == uint32(n)
}

// elementKey reads a property's key; ok tells whether it is an index.
func (d *decoder) elementKey() (index uint32, ok bool) {
	switch tag := d.peek(); tag {
	case tagInt32, tagUint32, tagDouble:
		d.at++
		f := d.number(tag)
		if f != float64(uint32(int64(f))) || f > maxIndex {
			d.fail(ErrMalformed)
		}
		return uint32(int64(f)), true
	}
	d.skipKey()
	return 0, false
}
