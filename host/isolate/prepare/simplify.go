package prepare

// Go computes a condition as a number, and tests the number: i64.ne; i32.eqz; if. A compiler that joins a comparison
// and the branch after it does so only if nothing lies between. It also masks what a load has widened already.

// simplify shortens such sequences, in place.
func simplify(list []instruction) []instruction {
	out := list[:0]
	for at := range list {
		i := list[at]
		n := len(out)
		switch {
		case i.op == 0x01: // nop
			continue
		case i.op == opI64Eqz && n > 0 && out[n-1].op == opI64ExtendI32:
			i.op = opI32Eqz
			out = out[:n-1]
			n--
		case i.op == 0x83 && n > 1 && out[n-1].op == opI64Const && masked(&out[n-2], out[n-1].a):
			out = out[:n-1]
			continue
		}
		if i.op == opI32Eqz && n > 0 {
			if op, ok := inverse(out[n-1].op); ok {
				out[n-1].op = op
				continue
			}
			if out[n-1].op == opI32Eqz && n > 1 && truth(out[n-2].op) {
				out = out[:n-1]
				continue
			}
		}
		out = append(out, i)
	}
	return out
}

// masked tells whether a load leaves nothing for a mask to clear: i64.load8_u, 16_u and 32_u.
func masked(load *instruction, mask uint64) bool {
	return load.op == 0x31 && mask == 0xff || load.op == 0x33 && mask == 0xffff || load.op == 0x35 && mask == 0xffffffff
}

// inverse is the comparison that holds when op's does not. Those of fractions have none.
func inverse(op byte) (byte, bool) {
	switch {
	case op >= 0x46 && op <= 0x4f:
		return inverses[op-0x46], true
	case op >= 0x51 && op <= 0x5a:
		return inverses[op-0x51] + 0x51 - 0x46, true
	}
	return 0, false
}

// inverses are those of i32.eq, ne, lt_s, lt_u, gt_s, gt_u, le_s, le_u, ge_s, ge_u.
var inverses = [...]byte{0x47, 0x46, 0x4e, 0x4f, 0x4c, 0x4d, 0x4a, 0x4b, 0x48, 0x49}

// truth tells whether an instruction yields 0 or 1.
func truth(op byte) bool { return op >= opI32Eqz && op <= 0x66 }
