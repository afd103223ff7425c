// Package language exercises Go itself: what a program computes compiled natively it must compute as a guest, whatever
// the host makes of its WebAssembly. Each exercise yields one line; a panic is part of the line.
package language

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"math/bits"
	"regexp"
	"runtime"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"text/template"
	"unicode/utf8"
)

type exercise struct {
	name string
	do   func() any
}

var exercises = []exercise{
	{"nil", nilPointers}, {"index", indexes}, {"divide", division}, {"assert", assertions}, {"defer", deferred}, {"loops", loops},
	{"switch", switches}, {"structs", structs}, {"arrays", arrays}, {"stack", stacks}, {"closures", closures}, {"methods", methods},
	{"maps", mapping}, {"strings", text}, {"channels", channels}, {"select", selects}, {"atomics", atomics}, {"collect", collect},
	{"floats", floats}, {"integers", integers}, {"sort", sorting}, {"hash", hashing}, {"json", marshalling}, {"regexp", expressions},
	{"big", bigNumbers}, {"generics", generics}, {"template", templates}, {"goexit", goexit}, {"copy", copies}, {"results", results},
}

// Lines runs all exercises.
func Lines() (lines []string) {
	for _, e := range exercises {
		lines = append(lines, e.name+" "+line(e.do))
	}
	return lines
}

func line(do func() any) (s string) {
	defer func() {
		if r := recover(); r != nil {
			s = fmt.Sprintf("panic: %v", r)
		}
	}()
	b := fmt.Sprintf("%v", do())
	if len(b) > 200 {
		sum := sha256.Sum256([]byte(b))
		b = fmt.Sprintf("%s… %d %x", b[:60], len(b), sum[:8])
	}
	return b
}

// try runs f and says how it ended.
func try(f func()) (s string) {
	defer func() {
		if r := recover(); r != nil {
			s = fmt.Sprint(r)
			if e, ok := r.(runtime.Error); ok {
				s = "runtime: " + e.Error()
			}
		}
	}()
	f()
	return "ok"
}

// random is a generator that is the same everywhere.
type random uint64

func (r *random) next() uint64 {
	*r ^= *r << 13
	*r ^= *r >> 7
	*r ^= *r << 17
	return uint64(*r)
}

func (r *random) n(n int) int { return int(r.next() % uint64(n)) }

type node struct {
	left, right *node
	value       int
	pad         [100]int32
	name        string
	far         *[4096]int64
}

//go:noinline
func (n *node) get() int { return n.value + int(n.pad[99]) + len(n.name) }

func nilPointers() any {
	var n *node
	var m map[string]*node
	var f func()
	var e error
	var s []int
	full := &node{left: &node{value: 3, name: "left"}}
	return []any{
		try(func() { n.value = 1 }), try(func() { _ = n.name }), try(func() { _ = full.right.get() }), try(func() { _ = full.left.left.pad[7] }),
		try(func() { m["a"] = n }), m["b"] == nil, try(func() { f() }), try(func() { _ = e.Error() }), try(func() { s[0] = 1 }), full.left.get(),
		try(func() { _ = full.far[5] }), try(func() { *(*int64)(nil) = 4 }),
	}
}

func indexes() any {
	a, s, str := [5]int{1, 2, 3, 4, 5}, []byte("hello"), "wörld"
	out := []any{}
	for _, i := range []int{-1, 0, 4, 5, 1 << 40} {
		out = append(out, try(func() { a[i]++ }), try(func() { s[i]++ }), try(func() { _ = str[i] }), try(func() { _ = s[i:] }), try(func() { _ = a[:i:4] }),
			try(func() { _ = [2]byte(s[max(0, min(i, 5)):]) }))
	}
	return append(out, a, string(s), try(func() { _ = make([]int, a[0]-100) }))
}

func division() any {
	r, sum, zero := random(7), int64(0), 0
	for range 5000 {
		a, b := int64(r.next()), int64(r.next()>>uint(r.n(60)))|1
		sum += a/b + a%b + int64(uint64(a)/uint64(b)) + int64(uint32(a)%(uint32(b)|1)) + int64(int8(a)/(int8(b)|1))
	}
	return []any{sum, try(func() { _ = 5 / zero }), try(func() { _ = 5 % zero }), int64(math.MinInt64) / int64(zero-1), int32(math.MinInt32) / int32(zero-1)}
}

type shape interface{ area() float64 }
type square struct{ side float64 }
type circle struct{ radius float64 }

func (s square) area() float64  { return s.side * s.side }
func (c *circle) area() float64 { return math.Floor(3 * c.radius * c.radius) }

func assertions() any {
	var sum float64
	shapes := []any{square{2}, &circle{radius: 3}, 5, "text", nil, errors.New("no"), []byte("b"), func() {}}
	var kinds []string
	for _, s := range shapes {
		switch v := s.(type) {
		case shape:
			sum += v.area()
			kinds = append(kinds, "shape")
		case int, string:
			kinds = append(kinds, fmt.Sprintf("%T", v))
		case error:
			kinds = append(kinds, v.Error())
		case nil:
			kinds = append(kinds, "nil")
		default:
			kinds = append(kinds, "other")
		}
	}
	return []any{sum, kinds, try(func() { _ = shapes[0].(error) }), try(func() { _ = shapes[2].(string) }), try(func() { _ = shapes[4].(shape) })}
}

func deferred() any {
	var log []string
	f := func(n int) (result int, err error) {
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("recovered %v", r)
				result *= 2
			}
		}()
		for i := range n {
			defer func() { log = append(log, strconv.Itoa(i)) }()
		}
		result = n
		if n%3 == 0 {
			panic(n)
		}
		if n%5 == 0 {
			defer panic("in defer")
		}
		return n + 1, nil
	}
	out := []any{}
	for n := range 8 {
		r, err := f(n)
		out = append(out, r, err)
	}
	out = append(out, try(func() {
		defer func() { panic(fmt.Sprint("again ", recover())) }()
		var n *node
		n.value++
	}))
	return append(out, strings.Join(log, ""))
}

func loops() any {
	sum, rounds := 0, 0
outer:
	for i := 0; ; i++ {
		for j := i; j < 1000; j += 7 {
			switch {
			case j%11 == 0:
				continue outer
			case i > 300:
				break outer
			case j%13 == 5:
				goto next
			}
			sum += j ^ i
			continue
		next:
			sum -= j
		}
		rounds++
	}
	for i := range sequence(50) {
		if i%2 == 1 {
			continue
		}
		if i > 40 {
			break
		}
		sum += i
	}
	return []int{sum, rounds}
}

func sequence(n int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i * 3) {
				return
			}
		}
	}
}

func switches() any {
	r, count := random(99), [12]int{}
	for range 3000 {
		switch n := r.n(40); n {
		case 0, 1, 2:
			count[0]++
			fallthrough
		case 3:
			count[1]++
		case 4, 9, 14, 19, 24, 29, 34, 39:
			count[2] += n
		case 5:
			count[3]++
		case 6:
			count[4]++
		case 7:
			count[5]++
		case 8:
			count[6]++
		default:
			switch {
			case n > 35:
				count[7] += n
			case n > 20 && n%2 == 0:
				count[8]++
			default:
				count[9]++
			}
		}
		switch s := strconv.Itoa(r.n(30)); s {
		case "1", "22", "13":
			count[10]++
		case "7":
			count[11]++
		}
	}
	return count
}

type wide struct {
	a byte
	b int16
	c uint32
	d int64
	e float32
	f float64
	g complex128
	h string
	i [3]wideInner
	j any
}

type wideInner struct {
	x, y int8
	z    *int
	f    func(int) int
}

//go:noinline
func change(w wide, by int) wide {
	w.a += byte(by)
	w.b -= int16(by)
	w.c *= uint32(by)
	w.d <<= uint(by % 60)
	w.e /= float32(by)
	w.f *= float64(by)
	w.g *= complex(float64(by), -1)
	w.h += strconv.Itoa(by)
	for k := range w.i {
		w.i[k].x += int8(by * (k + 1))
		if w.i[k].f != nil {
			w.i[k].y = int8(w.i[k].f(by))
		}
	}
	w.j = by
	return w
}

func structs() any {
	n := 5
	w := wide{a: 250, b: 3, c: 7, d: 1, e: 9, f: 2, g: 1i, h: "w"}
	w.i[1] = wideInner{z: &n, f: func(i int) int { return i + n }}
	v := w
	for by := 1; by < 9; by++ {
		w = change(w, by)
	}
	w.i[1].z, v.i[1].z, w.i[1].f, v.i[1].f = nil, nil, nil, nil
	return fmt.Sprintf("%v %v %v", w, v, w.i[0].f == nil)
}

var (
	table  [1000]int64
	global struct {
		small byte
		mid   [17]uint16
		text  string
		self  *node
	}
)

func arrays() any {
	r := random(3)
	for i := range table {
		table[i] = int64(r.next() >> 20)
	}
	for i := 1; i < len(table); i++ {
		table[i] ^= table[i-1] >> 3
		global.mid[i%17] += uint16(table[i])
		global.small ^= byte(table[i])
	}
	global.text = strings.Repeat("x", int(global.small)%7)
	var grid [30][40]int32
	for y := range grid {
		for x := range grid[y] {
			grid[y][x] = int32(y*x) ^ int32(table[x])
		}
	}
	sum := int64(0)
	for _, row := range grid {
		for _, v := range row {
			sum = sum*31 + int64(v)
		}
	}
	local := table
	local[5]++
	return []any{table[999], global.mid, global.small, global.text, sum, local == table, grid[29][39]}
}

// stacks grows the stack under pointers into it, and lets it shrink.
func stacks() any {
	out := []int{}
	for _, depth := range []int{1, 10, 1000, 5000, 3} {
		v := 1
		p := &v
		out = append(out, descend(depth, p), *p)
		runtime.GC()
	}
	var wg sync.WaitGroup
	var sum atomic.Int64
	for g := range 20 {
		wg.Go(func() {
			v := g
			sum.Add(int64(descend(100*g, &v) + v))
			runtime.Gosched()
			sum.Add(int64(descend(10, &v)))
		})
	}
	wg.Wait()
	return append(out, int(sum.Load()))
}

//go:noinline
func descend(n int, p *int) int {
	var frame [20]int
	frame[n%20] = n
	*p += n & 3
	if n == 0 {
		return *p
	}
	r := descend(n-1, &frame[(n+1)%20])
	if n%500 == 0 {
		runtime.Gosched()
	}
	return r + frame[n%20]&1 + frame[(n+1)%20]
}

func closures() any {
	var fs []func(int) int
	total := 0
	for i := range 10 {
		k := i * i
		fs = append(fs, func(n int) int { k += n; total += k; return k - i })
	}
	sum := 0
	for round := range 5 {
		for _, f := range fs {
			sum += f(round)
		}
	}
	compose := func(a, b func(int) int) func(int) int { return func(n int) int { return a(b(n)) } }
	f := fs[1]
	for _, g := range fs {
		f = compose(f, g)
	}
	return []int{sum, total, f(3)}
}

type base struct{ log []string }

func (b *base) say(s string) *base { b.log = append(b.log, s); return b }
func (b base) count() int          { return len(b.log) }

type derived struct {
	*base
	n int
}

func methods() any {
	d := derived{&base{}, 1}
	say, count := d.say, base.count
	say("a").say("b")
	var c interface{ count() int } = d
	f := (*base).say
	f(d.base, "c")
	return []any{d.count(), count(*d.base), c.count(), d.log}
}

func mapping() any {
	r := random(11)
	m, n, f := map[int]string{}, map[string]int{}, map[[2]int32]float64{}
	for range 4000 {
		k := r.n(700)
		m[k] += strconv.Itoa(k)[:1]
		n["key"+strconv.Itoa(r.n(300))] += k
		f[[2]int32{int32(k % 10), int32(k % 7)}] += 0.5
		if k%3 == 0 {
			delete(m, r.n(700))
		}
	}
	keys := slices.Sorted(maps.Keys(m))
	sum := 0
	for k, v := range n {
		sum += len(k) * v
	}
	total := 0.0
	for _, v := range f {
		total += v
	}
	nan := map[float64]int{math.NaN(): 1, math.NaN(): 2, 0: 3, math.Copysign(0, -1): 4}
	clear(n)
	return []any{len(keys), keys[:5], m[keys[3]], sum, total, len(nan), nan[0], len(n)}
}

func text() any {
	var b strings.Builder
	for i, c := range "héllo, 世界 \xff🙂" {
		fmt.Fprintf(&b, "%d%c%q", i, c, c)
	}
	s := b.String()
	return []any{s, strings.ToUpper(s), strings.Fields(" a  b c "), strings.Index(s, "世"), strings.Map(func(r rune) rune {
		if r > 127 {
			return -1
		}
		return r + 1
	}, s), []rune(s)[5:9], utf8.ValidString(s), strings.Split("a,b,,c", ","), strings.NewReplacer("a", "1", "b", "22").Replace("abcab"), s > "h", s[2:4]}
}

func channels() any {
	a, b := make(chan int), make(chan int, 7)
	var wg sync.WaitGroup
	for w := range 5 {
		wg.Go(func() {
			for v := range a {
				b <- v*10 + w - w
			}
		})
	}
	go func() {
		for i := range 500 {
			a <- i
		}
		close(a)
		wg.Wait()
		close(b)
	}()
	sum, n := 0, 0
	for v := range b {
		sum += v
		n++
	}
	_, open := <-b
	return []any{sum, n, open, try(func() { b <- 1 }), try(func() { close(a) })}
}

func selects() any {
	data, quit, none := make(chan int), make(chan struct{}), (chan int)(nil)
	counts := [4]int{}
	go func() {
		for i := range 200 {
			select {
			case data <- i:
			case <-quit:
				return
			}
		}
		close(quit)
	}()
	for {
		select {
		case v := <-data:
			counts[v%2]++
			continue
		case <-none:
			counts[3]++
		case <-quit:
		}
		break
	}
	select {
	case v := <-data:
		counts[2] = v
	default:
		counts[2] = -1
	}
	return counts
}

func atomics() any {
	var n atomic.Int64
	var u atomic.Uint32
	var p atomic.Pointer[node]
	var mu sync.RWMutex
	var once sync.Once
	plain := 0
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 300 {
				n.Add(int64(i))
				u.CompareAndSwap(uint32(i), uint32(i+1))
				mu.Lock()
				plain += g
				mu.Unlock()
				once.Do(func() { p.Store(&node{value: 9}) })
				if i%50 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	wg.Wait()
	return []any{n.Load(), u.Load() > 0, plain, p.Load().value, p.Swap(nil).value}
}

// collect builds and drops garbage under pointers that only frames hold.
func collect() any {
	var root *node
	r := random(17)
	for i := range 20000 {
		n := &node{value: i, left: root}
		if i%10 == 0 {
			root = n
		}
		if r.n(100) == 0 {
			root = root.left
		}
		if i%5000 == 0 {
			runtime.GC()
		}
	}
	sum, n := 0, 0
	for root != nil {
		sum += root.get()
		n++
		root = root.left
	}
	return []int{sum, n}
}

func floats() any {
	out := []any{}
	for _, f := range []float64{0, math.Copysign(0, -1), 1.5, -2.75, 1e300, 5e-324, math.Inf(1), math.NaN(), 1 << 53} {
		out = append(out, f < 1, f >= 1, f == f, f != 1.5, !(f > 2), math.Sqrt(f), math.Floor(f), math.Float64bits(f), float32(f), strconv.FormatFloat(f, 'g', -1, 64))
		if f == f && math.Abs(f) < 1e18 {
			out = append(out, int64(f), int32(int64(f)))
		}
	}
	sum := 0.0
	for i := 1; i < 1000; i++ {
		sum += math.Sin(float64(i)) / math.Sqrt(float64(i))
	}
	return append(out, math.Abs(sum-1.5) < 100, complex(1, 2)*complex(3, -1), math.Pow(2, 0.5))
}

func integers() any {
	r, acc := random(23), uint64(0)
	for range 4000 {
		a, s := r.next(), uint(r.n(70))
		acc ^= a<<s ^ a>>s ^ uint64(int64(a)>>s) ^ uint64(uint8(a)>>(s%9)) ^ uint64(int16(a)<<(s%18))
		acc += uint64(bits.OnesCount64(a) + bits.LeadingZeros32(uint32(a)) + bits.TrailingZeros16(uint16(a)))
		hi, lo := bits.Mul64(a, acc|1)
		acc = bits.RotateLeft64(hi, int(s)) + lo&^a
		if int64(acc) < 0 != (acc>>63 == 1) || int8(a) == -128 && int8(a) != -int8(a) {
			acc++
		}
	}
	var i8, u16 = int8(127), uint16(0)
	i8++
	u16--
	return []any{acc, i8, u16, uint32(acc), int32(acc) >> 3, acc < 5, int64(acc) < 5}
}

func sorting() any {
	r := random(31)
	list := make([]int, 3000)
	words := make([]string, 500)
	for i := range list {
		list[i] = r.n(1000)
	}
	for i := range words {
		words[i] = strconv.Itoa(r.n(100000))
	}
	slices.Sort(list)
	sort.SliceStable(words, func(i, j int) bool { return words[i][0] < words[j][0] })
	at, found := slices.BinarySearch(list, 500)
	return []any{list[0], list[2999], at, found, slices.IsSorted(list), words[:5], strings.Join(words, "")}
}

func hashing() any {
	h := sha256.New()
	for i := range 500 {
		_ = binary.Write(h, binary.BigEndian, uint32(i*i))
	}
	return hex.EncodeToString(h.Sum(nil))
}

func marshalling() any {
	type item struct {
		ID    int            `json:"id"`
		Name  string         `json:"name,omitempty"`
		Tags  []string       `json:"tags"`
		Deep  map[string]any `json:"deep"`
		Skip  *item          `json:"skip,omitempty"`
		Ratio float64        `json:"ratio"`
	}
	in := item{7, "<a&b>\u2028", []string{"x", "y"}, map[string]any{"k": []any{1.5, nil, true}, "a": map[string]any{"z": "é"}}, &item{ID: 8}, 1e21}
	b, err := json.Marshal(in)
	var out item
	err2 := json.Unmarshal(b, &out)
	var wrong struct{ ID string }
	return []any{string(b), err, err2, out.Deep["k"], out.Skip.ID, json.Unmarshal([]byte(`{"ID": 5}`), &wrong), json.Unmarshal([]byte(`{"a": [1,}`), &out)}
}

func expressions() any {
	re := regexp.MustCompile(`(?i)(\w+)@(\w+)\.(com|org)\b|#(\d{2,4})`)
	s := strings.Repeat("Mail bob@Example.com or eve@site.org, see #123 and #9. ", 5)
	return []any{len(re.FindAllString(s, -1)), re.FindStringSubmatchIndex(s), re.ReplaceAllString(s[:60], "<$2|$4>")}
}

func bigNumbers() any {
	a, b := big.NewInt(1), new(big.Int)
	for i := int64(1); i <= 200; i++ {
		a.Mul(a, big.NewInt(i))
	}
	b.Exp(big.NewInt(7), big.NewInt(300), big.NewInt(1000000007))
	q, r := new(big.Int).QuoRem(a, new(big.Int).SetUint64(math.MaxUint64), new(big.Int))
	return []any{a.String(), b, q.BitLen(), r}
}

type number interface{ ~int | ~int64 | ~float64 }

func fold[T number, R any](list []T, start R, f func(R, T) R) R {
	for _, v := range list {
		start = f(start, v)
	}
	return start
}

type stack[T any] struct{ items []T }

func (s *stack[T]) push(v T) *stack[T] { s.items = append(s.items, v); return s }
func (s *stack[T]) pop() (v T, ok bool) {
	if len(s.items) == 0 {
		return v, false
	}
	v = s.items[len(s.items)-1]
	s.items = s.items[:len(s.items)-1]
	return v, true
}

func generics() any {
	var s stack[any]
	s.push(1).push("two").push(3.0)
	a, _ := s.pop()
	b, _ := s.pop()
	var e stack[wide]
	_, ok := e.pop()
	return []any{fold([]int{1, 2, 3}, "", func(r string, v int) string { return r + strconv.Itoa(v) }), fold([]float64{.5, 2}, 1, func(r int, v float64) int { return r * int(v*2) }), a, b, ok}
}

func templates() any {
	t := template.Must(template.New("t").Parse(`{{range $i, $e := .}}{{if $i}}, {{end}}{{printf "%q" $e}}{{end}}`))
	var b strings.Builder
	err := t.Execute(&b, []string{"a", "b\n"})
	return []any{b.String(), err}
}

func goexit() any {
	done := make(chan string, 3)
	go func() {
		defer close(done)
		defer func() { done <- fmt.Sprint("recover ", recover()) }()
		defer func() { done <- "deferred" }()
		runtime.Goexit()
		done <- "never"
	}()
	var all []string
	for s := range done {
		all = append(all, s)
	}
	return all
}

func copies() any {
	b := make([]byte, 300)
	for i := range b {
		b[i] = byte(i)
	}
	copy(b[10:], b)
	copy(b, b[5:250])
	c := append(b[:3:5], 9, 8, 7)
	d := slices.Insert(slices.Clone(b), 100, c...)
	n := copy(d, "text")
	clear(d[200:210])
	return []any{n, len(c), string(d[:4]), sha256.Sum256(d), sha256.Sum256(b)}
}

//go:noinline
func many(a, b int, c string, d float64, e error, f [3]int) (int, string, float64, [3]int, *int, error) {
	f[a%3] += b
	return b, c + "!", d * 2, f, &f[1], fmt.Errorf("%d: %w", a, e)
}

func results() any {
	a, b, c, d, p, err := many(4, 5, "six", 7, errors.ErrUnsupported, [3]int{1, 2, 3})
	*p *= 10
	return []any{a, b, c, d, *p, err, errors.Is(err, errors.ErrUnsupported)}
}
