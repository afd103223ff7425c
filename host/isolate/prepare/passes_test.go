package prepare

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
)

// names are the instructions that the tests write as text.
var names = map[string]byte{"unreachable": opUnreachable, "nop": 0x01, "block": opBlock, "loop": opLoop, "if": opIf, "else": opElse, "end": opEnd,
	"br": opBr, "br_if": opBrIf, "br_table": opBrTable, "return": opReturn, "call": opCall, "drop": opDrop, "get": opLocalGet, "set": opLocalSet,
	"tee": opLocalTee, "gget": opGlobalGet, "gset": opGlobalSet, "i32.load": opI32Load, "i64.load": 0x29, "load8": opI32Load8U, "i64.load8_u": 0x31,
	"i64.load32_u": opI64Load32U, "i32.store": opI32Store, "i64.store": opI64Store, "i32": opI32Const, "i64": opI64Const, "i32.eqz": opI32Eqz,
	"i32.eq": 0x46, "i32.lt_u": 0x49, "i32.le_u": opI32LeU, "i64.eqz": opI64Eqz, "i64.eq": 0x51, "i64.ne": 0x52, "i64.lt_s": 0x53, "i64.ge_s": 0x59,
	"f64.lt": 0x63, "i32.add": opI32Add, "i32.sub": opI32Sub, "i64.add": opI64Add, "i64.and": 0x83, "wrap": opI32WrapI64, "extend": opI64ExtendI32,
	"count": opCount, "panic": opPanic}

// parse reads instructions: a name, then up to two numbers separated by colons; br_table has a comma list.
func parse(text string) (list []instruction) {
	for word := range strings.FieldsSeq(text) {
		part := strings.Split(word, ":")
		op, ok := names[part[0]]
		if !ok {
			panic(word)
		}
		i := instruction{op: op}
		if op == opBlock || op == opLoop || op == opIf {
			i.a = blockVoid
		}
		number := func(k int) uint64 {
			if k >= len(part) {
				return 0
			}
			n, err := strconv.ParseInt(part[k], 10, 64)
			if err != nil {
				panic(word)
			}
			return uint64(n)
		}
		switch {
		case op == opBrTable:
			depths := strings.Split(part[1], ",")
			i.b = uint32(len(depths))
			list = append(list, i)
			for _, s := range depths {
				n, _ := strconv.Atoi(s)
				list = append(list, instruction{op: opTarget, a: uint64(n)})
			}
			continue
		case isLoad(op) || isStore(op):
			i.b = uint32(number(1))
		case len(part) > 1:
			i.a, i.b = number(2), uint32(number(1))
			if op != opPanic {
				i.a = number(1)
			}
		}
		list = append(list, i)
	}
	return list
}

func text(list []instruction) string {
	var out []string
	for _, i := range list {
		name := ""
		for n, op := range names {
			if op == i.op {
				name = n
			}
		}
		switch op := i.op; {
		case op == opTarget:
			out[len(out)-1] = strings.Replace(out[len(out)-1]+","+strconv.FormatUint(i.a, 10), "br_table,", "br_table:", 1)
			continue
		case isLoad(op) || isStore(op):
			name += ":" + strconv.FormatUint(uint64(i.b), 10)
		case op == opPanic:
			name += fmt.Sprintf(":%d:%d", i.b, i.a)
		case op == opBr || op == opBrIf || op == opCall || op >= opLocalGet && op <= opGlobalSet || op == opI32Const || op == opI64Const:
			name += ":" + strconv.FormatInt(int64(i.a), 10)
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

func TestSimplify(t *testing.T) {
	for before, after := range map[string]string{
		"get:2 i64:14 i64.ne i32.eqz if end":              "get:2 i64:14 i64.eq if end",
		"get:2 i64.eqz extend i64.eqz i32.eqz if end":     "get:2 i64.eqz if end",
		"get:1 i32.eqz i32.eqz if end":                    "get:1 i32.eqz i32.eqz if end", // the first makes 0 or 1 of a number
		"get:2 get:2 i64.lt_s i32.eqz if end":             "get:2 get:2 i64.ge_s if end",
		"get:2 get:2 f64.lt i32.eqz if end":               "get:2 get:2 f64.lt i32.eqz if end", // NaN
		"get:2 i64.load8_u i64:255 i64.and set:2":         "get:2 i64.load8_u:0 set:2",
		"get:2 i64.load8_u i64:254 i64.and set:2":         "get:2 i64.load8_u:0 i64:254 i64.and set:2",
		"get:2 i64.load32_u:8 i64:4294967295 i64.and nop": "get:2 i64.load32_u:8",
	} {
		require.Equal(t, after, text(simplify(parse(before))), before)
	}
}

func TestStraighten(t *testing.T) {
	const open = "loop block block block get:0 br_table:0,0,1,2 end "
	for title, row := range map[string][3]string{
		"forward": {open + "get:2 i64.eqz if i32:3 set:0 br:3 end end nop end unreachable end",
			open + "get:2 i64.eqz if br:2 end end nop end unreachable end", "0"},
		"back": {open + "nop end nop end get:2 i64.eqz if i32:2 set:0 br:1 end unreachable end",
			open + "nop end nop end get:2 i64.eqz if count i32:2 set:0 br:1 end unreachable end", "1"},
		"to itself":        {open + "nop end i32:2 set:0 br:1 end unreachable end", open + "nop end count i32:2 set:0 br:1 end unreachable end", "1"},
		"beyond the table": {open + "i32:77 set:0 br:2 end nop end unreachable end", open + "br:1 end nop end unreachable end", "0"},
	} {
		t.Run(title, func(t *testing.T) {
			list := parse(row[0])
			d, ok := findDispatch(list)
			require.True(t, ok)
			out, back, ok := straighten(nil, list, d)
			require.True(t, ok)
			require.Equal(t, row[1], text(out))
			require.Equal(t, row[2], strconv.Itoa(back))
		})
	}
	t.Run("not the shape", func(t *testing.T) {
		for _, s := range []string{"loop end", "get:0 drop loop block get:0 br_table:0 end end get:0 drop", "loop block get:0 br_table:1 end end"} {
			_, ok := findDispatch(parse(s))
			require.False(t, ok, s)
		}
		list := parse(open + "get:1 br_if:2 end nop end unreachable end")
		d, ok := findDispatch(list)
		require.True(t, ok)
		_, _, ok = straighten(nil, list, d)
		require.False(t, ok, "something else branches to the loop")
	})
}

const (
	reload  = "gget:0 set:1 "
	pushing = "get:1 i32:8 i32.sub tee:1 gset:0 get:1 i64:77 i64.store:0 "
)

func TestCut(t *testing.T) {
	inner := pushing + "i32:0 call:5 " + reload + "br_if:3 "
	for before, after := range map[string]string{
		"get:2 i64.eqz if " + inner + "end nop":                                             "get:2 i64.eqz if panic:5:77 br:3 end nop",
		"get:1 i32.le_u if " + inner + "end":                                                "get:1 i32.le_u if panic:5:77 br:3 end",
		"get:2 i64.ne if " + inner + "end":                                                  "get:2 i64.ne if " + inner + "end",
		"get:2 i64.eqz if " + pushing + "i32:0 call:5 " + reload + "if unreachable end end": "get:2 i64.eqz if " + pushing + "i32:0 call:5 " + reload + "if unreachable end end",
	} {
		require.Equal(t, after, text(cut(parse(before))), before)
	}
}

// TestShare: local 9 is the first of a base. Local 1 is the stack pointer, 2 and 3 are pointers.
func TestShare(t *testing.T) {
	m := &Module{types: []signature{{1, 1}}, functionTypes: []uint32{0, 0, 0, 0, 0, 0}, memory: 1 << 20}
	for title, row := range map[string][2]string{
		"a pointer is converted once": {"get:2 wrap i64.load:8 set:3 get:2 wrap i64.load:0 set:3",
			"get:2 wrap tee:9 i64.load:8 set:3 get:9 i64.load:0 set:3"},
		"the furthest access is checked first": {"get:2 wrap i64.load:8 set:3 get:2 wrap i64.load:16 set:3",
			"get:2 wrap tee:9 get:9 load8:23 drop i64.load:8 set:3 get:9 i64.load:16 set:3"},
		"but not what lies too far": {"get:2 wrap i64.load:8 set:3 get:2 wrap i64.load:5000 set:3",
			"get:2 wrap tee:9 i64.load:8 set:3 get:9 i64.load:5000 set:3"},
		"nor what a branch may keep from being reached": {"block get:2 wrap i64.load:8 i64.eqz br_if:0 get:2 wrap i64.load:16 set:3 end",
			"block get:2 wrap tee:9 i64.load:8 i64.eqz br_if:0 get:9 i64.load:16 set:3 end"},
		"a nil check is no such branch": {"block get:2 wrap i64.load:8 tee:3 i64.eqz if panic:1:1 br:1 end get:2 wrap i64.load:16 set:3 end",
			"block get:2 wrap tee:9 get:9 load8:23 drop i64.load:8 tee:3 i64.eqz if panic:1:1 br:1 else end get:9 i64.load:16 set:3 end"},
		"a new value is a new base": {"get:2 wrap i64.load:8 set:2 get:2 wrap i64.load:0 set:3",
			"get:2 wrap i64.load:8 set:2 get:2 wrap i64.load:0 set:3"},
		"assigned in the midst of a store": {"get:2 wrap get:2 wrap i64.load:0 tee:2 i64.store:8 get:2 wrap i64.load:0 drop",
			"get:2 wrap tee:9 get:9 load8:15 drop get:9 i64.load:0 tee:2 i64.store:8 get:2 wrap i64.load:0 drop"},
		"tee makes one": {"i64:5 tee:2 wrap i64.load:0 drop get:2 wrap i64.load:0 drop",
			"i64:5 tee:2 wrap tee:9 i64.load:0 drop get:9 i64.load:0 drop"},
		"one use stays as it is":     {"get:2 wrap i64.load:8 drop", "get:2 wrap i64.load:8 drop"},
		"a number is not an address": {"get:2 wrap i32.eqz drop get:2 wrap i64.load:8 drop", "get:2 wrap i32.eqz drop get:2 wrap i64.load:8 drop"},
		"control flow that meets forgets": {"get:2 wrap i64.load:8 drop block get:3 i64.eqz br_if:0 i64:1 set:2 end get:2 wrap i64.load:8 drop",
			"get:2 wrap i64.load:8 drop block get:3 i64.eqz br_if:0 i64:1 set:2 end get:2 wrap i64.load:8 drop"},
		"a loop forgets": {"get:2 wrap i64.load:8 drop loop get:2 wrap i64.load:8 set:2 br:0 end",
			"get:2 wrap i64.load:8 drop loop get:2 wrap i64.load:8 set:2 br:0 end"},
		"an if that assigns forgets": {"get:2 wrap i64.load:8 i64.eqz if i64:1 set:2 end get:2 wrap i64.load:8 drop",
			"get:2 wrap i64.load:8 i64.eqz if i64:1 set:2 end get:2 wrap i64.load:8 drop"},
		"an if that does not keeps": {"get:2 wrap i64.load:8 i64.eqz if i64:1 set:3 end get:2 wrap i64.load:8 drop",
			"get:2 wrap tee:9 i64.load:8 i64.eqz if i64:1 set:3 end get:9 i64.load:8 drop"},
		"what an if finds stays inside": {"get:3 i64.eqz if get:2 wrap i64.load:8 drop end get:2 wrap i64.load:8 drop",
			"get:3 i64.eqz if get:2 wrap i64.load:8 drop end get:2 wrap i64.load:8 drop"},
		"else starts where if did": {"get:2 wrap i64.load:8 i64.eqz if i64:1 set:2 else get:2 wrap i64.load:8 drop end get:2 wrap i64.load:8 drop",
			"get:2 wrap tee:9 i64.load:8 i64.eqz if i64:1 set:2 else get:9 i64.load:8 drop end get:2 wrap i64.load:8 drop"},
		"g is forgotten at a call": {"gget:2 wrap i32.load:16 drop i32:0 call:3 drop gget:2 wrap i32.load:16 drop",
			"gget:2 wrap i32.load:16 drop i32:0 call:3 drop gget:2 wrap i32.load:16 drop"},
		"g": {"gget:2 wrap i32.load:16 drop gget:2 wrap i32.load:16 drop", "gget:2 wrap tee:9 i32.load:16 drop get:9 i32.load:16 drop"},
		"constant addresses": {"i64:4096 wrap i64.load32_u drop i64:5000 wrap i64.load:8 drop",
			"get:9 load8:5015 drop get:9 i64.load32_u:4096 drop get:9 i64.load:5008 drop"},
		"constant addresses that memory does not hold are not looked at": {"i64:2000000 wrap i64.load drop i64:1 wrap i64.load drop",
			"get:9 load8:8 drop get:9 i64.load:2000000 drop get:9 i64.load:1 drop"},
		"a frame": {reload + "get:1 i64.load:16 set:2 get:1 get:2 i64.store:24",
			reload + "get:1 i32:8 i32.sub tee:9 get:9 load8:39 drop i64.load:24 set:2 get:9 get:2 i64.store:32"},
		"a frame and a call": {reload + "get:1 get:2 i64.store:0 " + pushing + "i32:0 call:3 " + reload + "drop get:1 i64.load:8 set:2",
			reload + "get:1 i32:8 i32.sub tee:9 get:2 i64.store:8 get:9 tee:1 gset:0 get:9 i64:77 i64.store:0 i32:0 call:3 " + reload + "drop get:1 i64.load:8 set:2"},
		"an address in the frame": {reload + "get:1 extend i64:24 i64.add wrap i64.load:8 set:2 get:1 i64.load:0 set:3",
			reload + "get:1 i32:8 i32.sub tee:9 i64.load:40 set:2 get:9 i64.load:8 set:3"},
		"one address in the frame": {reload + "get:1 extend i64:24 i64.add wrap i64.load:8 set:2", reload + "get:1 i64.load:32 set:2"},
		"what was inlined": {reload + "get:1 i32:8 i32.sub i64.load:16 set:2 get:1 i32:8 i32.sub extend i64:16 i64.add wrap i64.load:0 set:2 get:1 i64.load:0 set:3",
			reload + "get:1 i32:8 i32.sub tee:9 i64.load:16 set:2 get:9 i64.load:16 set:2 get:9 i64.load:8 set:3"},
		"one that was inlined":            {reload + "get:1 i32:8 i32.sub extend i64:16 i64.add wrap i64.load:0 set:2", reload + "get:1 i32:8 i32.sub i64.load:16 set:2"},
		"only a push":                     {reload + pushing + "i32:0 call:3", reload + pushing + "i32:0 call:3"},
		"the address of a variable stays": {reload + "get:1 extend i64:24 i64.add set:2", reload + "get:1 extend i64:24 i64.add set:2"},
		"no stack pointer":                {"get:1 i64.load:16 set:2 get:1 i64.load:8 set:2", "get:1 i64.load:16 set:2 get:1 i64.load:8 set:2"},
		"dead code is left alone":         {"block br:0 get:2 wrap i64.load:8 drop get:2 wrap i64.load:8 drop end", "block br:0 get:2 wrap i64.load:8 drop get:2 wrap i64.load:8 drop end"},
	} {
		t.Run(title, func(t *testing.T) {
			out, _ := (&addressing{}).share(m, parse(row[0]), 9, -1)
			require.Equal(t, row[1], text(out))
		})
	}
}

// TestShare_random: random programs compute the same, and leave the same memory, after the pass as before it.
func TestShare_random(t *testing.T) {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer r.Close(ctx)
	run := func(list []instruction, locals int) (string, []byte) {
		mod, err := r.InstantiateWithConfig(ctx, program(list, locals), wazero.NewModuleConfig().WithName(""))
		require.NoError(t, err, text(list))
		defer mod.Close(ctx)
		out, err := mod.ExportedFunction("f").Call(ctx, 0)
		b, _ := mod.Memory().Read(0, 1<<16)
		return fmt.Sprint(out, err != nil), b
	}
	m := &Module{types: []signature{{1, 1}}, functionTypes: []uint32{0}, memory: 1 << 16}
	shared := 0
	for seed := range uint64(1000) {
		list := invent(rand.New(rand.NewPCG(seed, 1)))
		out, added := (&addressing{}).share(m, list, 6, -1)
		shared += added
		want, memory := run(list, 5)
		got, changed := run(out, 5+added)
		require.Equal(t, want, got, "seed %d:\n%s\n%s", seed, text(list), text(out))
		require.Equal(t, memory, changed, "seed %d:\n%s\n%s", seed, text(list), text(out))
	}
	require.Greater(t, shared, 1000, "the programs have something to share")
}

// program is a module with a memory of one page, two globals like Go's and the function f: locals 1 is i32, 2 to 5 i64.
func program(list []instruction, locals int) []byte {
	body := []byte{2, 1, typeI32, 4, typeI64}
	if locals > 5 {
		body = append([]byte{3, 1, typeI32, 4, typeI64}, byte(locals-5), typeI32)
	}
	for k := range list {
		body = list[k].encode(body)
	}
	m := &Module{Wasm: []byte("\x00asm\x01\x00\x00\x00")}
	m.add(sectionType, []byte{1, 0x60, 1, typeI32, 1, typeI32})
	m.add(sectionFunction, []byte{1, 0})
	m.add(sectionMemory, []byte{1, 0, 1})
	m.add(sectionGlobal, append(append([]byte{3, typeI32, 1, opI32Const}, appendSigned(nil, 4096)...), opEnd, typeI64, 1, opI64Const, 0, opEnd, typeI64, 1, opI64Const, 0x80, 8, opEnd))
	m.add(sectionExport, []byte{1, 1, 'f', 0, 0})
	code := appendVector([]byte{0}, 1, appendBody(nil, body)...)
	m.add(sectionCode, code)
	return m.Wasm
}

// invent writes a program in Go's manner: loads and stores by pointers and in the frame, pushes, branches, loops.
func invent(r *rand.Rand) []instruction {
	var b strings.Builder
	w := func(format string, a ...any) { fmt.Fprintf(&b, format+" ", a...) }
	w(reload)
	for l := 2; l < 6; l++ {
		w("i64:%d set:%d", 512*l, l)
	}
	loops := 0
	labels := []bool{true} // whether a branch may go there: not to a loop
	target := func() int {
		for {
			if k := r.IntN(len(labels)); labels[len(labels)-1-k] {
				return k
			}
		}
	}
	local := func() int { return 2 + r.IntN(4) }
	offset := func() int { return 8 * r.IntN(12) }
	var statement func(n int)
	block := func(n int, label bool, last func()) {
		labels = append(labels, label)
		for range r.IntN(n + 1) {
			statement(n - 1)
		}
		if last != nil {
			last()
		}
		labels = labels[:len(labels)-1]
	}
	statement = func(n int) {
		p, q := local(), local()
		switch k := r.IntN(17); {
		case k == 16:
			w("get:1 i32:8 i32.sub i64.load:%d i64:1023 i64.and set:%d", 8+offset(), p)
			if r.IntN(2) == 0 {
				w("get:1 i32:8 i32.sub extend i64:%d i64.add wrap get:%d i64.store:%d", offset(), q, 8+offset())
			}
		case k < 3: // a pointer moves a little
			w("get:%d wrap i64.load:%d i64:255 i64.and i64:%d i64.add set:%d", p, offset(), 256+r.IntN(1024), q)
		case k < 5:
			w("get:%d wrap get:%d wrap i64.load:%d i64.store:%d", p, q, offset(), offset())
		case k < 6:
			w("get:%d wrap get:%d wrap i64.load:%d i64:1023 i64.and tee:%d i64.store:%d", p, q, offset(), p, offset())
		case k < 8:
			w("get:1 i64.load:%d i64:1023 i64.and set:%d", offset(), p)
		case k < 10:
			w("get:1 get:%d i64.store:%d", p, offset())
		case k < 11:
			w("get:1 extend i64:%d i64.add wrap get:%d i64.store:%d", offset(), p, offset())
		case k < 12:
			w("i64:%d wrap i64:%d wrap i64.load:%d i64.store", 2048+offset(), 2048+offset(), offset())
		case k < 13:
			w(pushing)
			if r.IntN(2) == 0 {
				w("get:1 i32:8 i32.add tee:1 gset:0")
			} else {
				w("get:1 i32:%d i32.add gset:0 "+reload, 8*r.IntN(3))
			}
		case n == 0:
			w("get:%d i64:1 i64.add set:%d", p, p)
		case k == 13 && loops < 2:
			loops++
			w("loop")
			block(n, false, nil)
			w("gget:1 i64:1 i64.add gset:1 gget:1 i64:6 i64.lt_s br_if:0 end")
		case k == 14:
			w("block get:%d i64:64 i64.and i64.eqz br_if:0", p)
			block(n, true, nil)
			w("end")
		default:
			w("get:%d i64:32 i64.and i64.eqz if", p)
			leave := r.IntN(4) == 0
			block(n, true, func() {
				if leave {
					w("br:%d", target())
				}
			})
			if !leave && r.IntN(3) == 0 {
				w("else")
				block(n, true, nil)
			}
			w("end")
		}
	}
	w("block")
	for range 4 + r.IntN(20) {
		statement(3)
	}
	w("end gget:0 end")
	return parse(b.String())
}

const (
	leave = "get:1 i32:8 i32.add tee:1 gset:0 i32:0 return unreachable end"
)

// encoded is a function with locals 1, the stack pointer, and 2 and 3.
func encoded(code string) *reader {
	b := []byte{2, 1, typeI32, 2, typeI64}
	for _, i := range parse(code) {
		b = i.encode(b)
	}
	return &reader{b: b}
}

func TestLeaf(t *testing.T) {
	m := &Module{types: []signature{{1, 1}}, functionTypes: make([]uint32, 9)}
	check := "get:1 i64.load:8 i64.eqz if " + pushing + "i32:0 call:7 " + reload + "br_if:2 end "
	for code, body := range map[string]string{
		reload + leave: "",
		reload + "block block block get:0 br_table:0,0,1 end " + check + "get:1 extend i64:16 i64.add wrap get:1 i64.load:8 wrap i64.load32_u i64.store:0 " + leave: "get:1 i64.load:8 i64.eqz if panic:7:77 br:2 end get:1 extend i64:16 i64.add wrap get:1 i64.load:8 wrap i64.load32_u:0 i64.store:0",
		reload + "i64:1 set:2 get:1 get:2 i64.store:8 " + leave:               "i64:1 set:2 get:1 get:2 i64.store:8",
		reload + "get:1 extend i64:8 i64.add set:2 get:2 drop " + leave:       "get:1 extend i64:8 i64.add set:2 get:2 drop",
		reload + "i32:0 call:3 " + reload + "return end":                      "call 3",
		reload + "get:1 i64.load:0 set:2 " + leave:                            "no", // the return address
		reload + "get:1 get:1 i64.load:8 i64.store:0 " + leave:                "no",
		reload + "get:1 extend i64:0 i64.add set:2 " + leave:                  "no",
		reload + "get:1 extend set:2 " + leave:                                "no",
		reload + "get:2 drop " + leave:                                        "no", // a local that is still zero
		reload + "get:1 i32:8 i32.sub tee:1 gset:0 " + leave:                  "no", // a frame
		reload + "i32:0 call:3 drop " + leave:                                 "no",
		reload + "loop end " + leave:                                          "no",
		reload + "i64:1 gset:2 " + leave:                                      "no",
		"i64:1 drop " + leave:                                                 "no",
		reload + strings.Repeat("i64:1 drop ", 20) + leave:                    "no",
		reload + "get:1 i64.load:8 i64.eqz if i64:1 set:2 end " + leave:       "no",
		reload + "block get:0 br_table:0 end get:1 i64.load:8 drop i32:1 end": "no",
	} {
		l, ok := m.findLeaf(encoded(code), signature{1, 1})
		got := text(l.body)
		switch {
		case !ok:
			got = "no"
		case l.body == nil:
			got = fmt.Sprint("call ", l.calls)
		}
		require.Equal(t, body, got, code)
	}
}

func TestInline(t *testing.T) {
	leaves := map[uint32]leaf{
		3: {calls: 5}, 4: {calls: 4},
		5: {body: parse("i64:4 set:2 get:1 i64.load:8 i64.eqz if panic:7:99 br:2 end get:1 get:2 i64.store:16"), locals: []byte{typeI64}},
		6: {calls: 8},
	}
	written := "i64:4 set:20 get:1 i32:8 i32.sub i64.load:8 i64.eqz if panic:5:77 br:4 end get:1 i32:8 i32.sub get:20 i64.store:16"
	called := func(f string) string { return pushing + "i32:0 call:" + f + " " + reload + "br_if:3" }
	for before, after := range map[string]string{
		"nop " + called("5") + " drop":  "nop " + written + " drop",
		called("5") + " " + called("5"): written + " " + written, // the local serves twice
		called("3"):                     written,                 // which calls 5
		called("4"):                     called("4"),             // which calls itself
		called("6"):                     called("8"),
		called("7"):                     called("7"),
		pushing + "i32:1 call:5 " + reload + "br_if:3":                                         pushing + "i32:1 call:5 " + reload + "br_if:3",
		"block block block get:0 br_table:0,0,1,2 end nop " + called("5") + " end nop end nop": "block block block block get:0 br_table:1,1,0,3 end unreachable end nop " + written + " end nop end nop",
		// the code after the call is jumped to, as by no Go so far
		"loop block block block get:0 br_table:0,0,1,2 end nop " + called("5") + " end i32:2 set:0 br:2 end nop end": "loop block block block get:0 br_table:0,0,1,2 end nop " + written + " end i32:2 set:0 br:2 end nop end",
		"block block block get:0 br_table:0,0,1,2 end nop " + called("7") + " end nop end nop":                       "block block block get:0 br_table:0,0,1,2 end nop " + called("7") + " end nop end nop",
	} {
		p := &inliner{leaves: leaves, past: map[int]bool{}}
		out, types := p.inline(parse(before), 20)
		require.Equal(t, after, text(out), before)
		require.LessOrEqual(t, len(types), 1)
	}
}
