package prepare

// A Go function that may be resumed is one loop around a switch:
//
//	loop; block … block; local.get 0; br_table …; end; <code 0>; end; <code 1>; … end
//
// Local 0 is the number of a piece of code. A jump inside the function sets it and branches to the loop. Most jumps go
// forward, out of blocks that are still open at the jump: those become a branch to the block's end, which a compiler
// follows without a table. What goes back stays, and counts the budget down: every loop of a program goes through there,
// or through one that the assembler wrote.

// dispatch is a function's switch.
type dispatch struct {
	loop   int   // the instruction
	table  int   // the br_table
	blocks []int // per piece of code the block whose end it follows
}

// findDispatch finds the switch of a function, if it has the shape and nothing else reads or writes its number.
func findDispatch(list []instruction) (d dispatch, ok bool) {
	if d.table = findSwitch(list); d.table < 0 {
		return d, false
	}
	first := d.table - 1
	for first > 0 && list[first-1].op == opBlock {
		first--
	}
	d.loop = first - 1
	if d.loop < 0 || list[d.loop].op != opLoop {
		return d, false
	}
	n := d.table - 1 - first
	for _, t := range list[d.table+1 : d.table+1+int(list[d.table].b)] {
		if t.a >= uint64(n) {
			return d, false
		}
		d.blocks = append(d.blocks, d.table-2-int(t.a))
	}
	for at := range list {
		i := &list[at]
		if i.op == opLocalGet && i.a == 0 && at != d.table-1 && (at < 2 || list[at-1].op != opI32Const || list[at-2].op != opLocalSet || list[at-2].a != 0) {
			return d, false
		}
		if i.op == opLocalTee && i.a == 0 {
			return d, false
		}
	}
	return d, true
}

// findSwitch is the br_table that a function begins with, after the reading of its number; -1 if it does not.
func findSwitch(list []instruction) int {
	for at := 1; at < len(list); at++ {
		switch i := &list[at]; i.op {
		case opBrTable:
			if list[at-1].op == opLocalGet && list[at-1].a == 0 {
				return at
			}
			return -1
		case opBlock, opLoop, opLocalGet, opLocalSet, opGlobalGet:
		default:
			return -1
		}
	}
	return -1
}

// target is the block that a jump to a piece of code leaves.
func (d *dispatch) target(n uint64) int { return d.blocks[min(n, uint64(len(d.blocks)-1))] }

// straighten makes forward jumps direct. It fails, changing nothing that matters, if something else branches to the
// loop; then the loop counts.
func straighten(out, list []instruction, d dispatch) (_ []instruction, back int, ok bool) {
	var open []int
	for at := 0; at < len(list); at++ {
		i := &list[at]
		switch i.op {
		case opBlock, opLoop, opIf:
			open = append(open, at)
		case opEnd:
			if len(open) > 0 {
				open = open[:len(open)-1]
			}
		case opBr, opBrIf:
			if k := len(open) - 1 - int(i.a); k < 0 || open[k] != d.loop {
				break
			}
			if i.op == opBrIf || at < 2 || list[at-1].op != opLocalSet || list[at-1].a != 0 || list[at-2].op != opI32Const {
				return out, 0, false
			}
			to := d.target(uint64(uint32(list[at-2].a)))
			k := len(open) - 1
			for k >= 0 && open[k] != to {
				k--
			}
			if k < 0 { // it goes back
				back++
				out = append(out[:len(out)-2], instruction{op: opCount}, list[at-2], list[at-1], *i)
				continue
			}
			out = out[:len(out)-2]
			depth := uint64(len(open) - 1 - k)
			out = append(out, instruction{op: opBr, a: depth})
			continue
		}
		out = append(out, *i)
	}
	return out, back, true
}
