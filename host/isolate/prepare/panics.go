package prepare

// A nil check, and a function's check of its stack, call something that never returns to them: runtime.sigpanic and
// runtime.morestack unwind the WebAssembly stack. Go writes such a call out in full, in the midst of the code that is
// hot. A function of ours makes it instead; and a compiler sees that nothing comes back, so that what it knew before
// the check it still knows after.

// cut replaces those calls by opPanic.
func cut(list []instruction) []instruction {
	out := list[:0]
	for at := 0; at < len(list); at++ {
		i := &list[at]
		if i.op == opIf && i.a == blockVoid && at > 0 && (list[at-1].op == opI64Eqz || list[at-1].op == opI32LeU) {
			if call, ret, exit, ok := noReturn(list[at+1:]); ok {
				out = append(out, *i, instruction{op: opPanic, a: ret, b: call}, instruction{op: opBr, a: exit}, instruction{op: opEnd})
				at += 14
				continue
			}
		}
		out = append(out, *i)
	}
	return out
}

// noReturn matches what Go writes between `if` and `end`, without the frame of a resume point.
func noReturn(l []instruction) (call uint32, ret, exit uint64, ok bool) {
	if len(l) < 14 || !isPush(l) || l[8].op != opI32Const || l[8].a != 0 || l[9].op != opCall || !isReload(l[10:]) || l[12].op != opBrIf || l[13].op != opEnd {
		return 0, 0, 0, false
	}
	return uint32(l[9].a), l[6].a, l[12].a, true
}

// isPush tells whether l begins by pushing a return address:
//
//	local.get 1; i32.const 8; i32.sub; local.tee 1; global.set 0; local.get 1; i64.const …; i64.store
func isPush(l []instruction) bool {
	return len(l) >= 8 && l[0].op == opLocalGet && l[0].a == 1 && l[1].op == opI32Const && l[1].a == 8 && l[2].op == opI32Sub &&
		l[3].op == opLocalTee && l[3].a == 1 && l[4].op == opGlobalSet && l[4].a == 0 && l[5].op == opLocalGet && l[5].a == 1 &&
		l[6].op == opI64Const && l[7].op == opI64Store && l[7].b == 0
}

// isReload tells whether l begins by reading the stack pointer anew: global.get 0; local.set 1.
func isReload(l []instruction) bool {
	return len(l) >= 2 && l[0].op == opGlobalGet && l[0].a == 0 && l[1].op == opLocalSet && l[1].a == 1
}

// panicBody is the function that makes such a call: its parameter is the return address.
func panicBody(call uint32) []byte {
	b := []byte{0} // no locals
	for _, i := range []instruction{
		{op: opGlobalGet}, {op: opI32Const, a: 8}, {op: opI32Sub}, {op: opGlobalSet},
		{op: opGlobalGet}, {op: opLocalGet}, {op: opI64Store, a: 3},
		{op: opI32Const}, {op: opCall, a: uint64(call)},
		{op: opI32Eqz}, {op: opIf, a: blockVoid}, {op: opUnreachable}, {op: opEnd}, {op: opEnd},
	} {
		b = i.encode(b)
	}
	return b
}
