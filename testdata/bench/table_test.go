package main // what is tested is a command's own output; it exports nothing

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/testdata/bench/loadgen"
)

func measured(row, server string, conns int, r loadgen.Result) cell {
	return cell{Row: row, Server: server, Conns: conns, Runs: []loadgen.Result{r}, Median: r}
}

func TestBench_format(t *testing.T) {
	t.Parallel()
	b := &bench{options: &options{}, ceiling: map[int]float64{16: 10_000}}
	result := loadgen.Result{Mode: "http", Rate: 1234.4, P50: 1460, P99: 3920, ServerCPU: 116.2, ServerCores: 0.5}
	with := func(edit func(*loadgen.Result)) loadgen.Result {
		r := result
		edit(&r)
		return r
	}
	const plain = "1,234/s · 1.46 / 3.92 ms · 116 µs · 0.50"
	for _, c := range []struct {
		name  string
		conns int
		r     loadgen.Result
		want  string
	}{
		{"a rate", 16, result, plain},
		{"near the generator's ceiling", 16, with(func(r *loadgen.Result) { r.Rate = 7001 }), strings.Replace(plain, "1,234", "7,001", 1) + " †"},
		{"a load that has no such ceiling", 0, with(func(r *loadgen.Result) { r.Rate = 7001 }), strings.Replace(plain, "1,234", "7,001", 1)},
		{"a machine that is full", 16, with(func(r *loadgen.Result) { r.GeneratorCores = float64(runtime.NumCPU()) - 0.5 }), plain + " ‡"},
		{"errors", 16, with(func(r *loadgen.Result) { r.Errors = 3 }), plain + " **3 errors**"},
		{"objects", 16, with(func(r *loadgen.Result) { r.Mode, r.RSSPerObject = "create", 238.4 }), plain + " · 238 KB an object"},
		{"a cold start", 0, loadgen.Result{Mode: "coldstart", FirstMS: 44.4, ServerCPU: 30_000, RSSAfter: 51200}, "44 ms · 30 ms CPU · 50 MB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, b.format(measured("r", onHost, c.conns, c.r)))
		})
	}
	require.Equal(t, "–", b.format(cell{}), "not measured")
}

func TestBench_writeTable(t *testing.T) {
	t.Parallel()
	b := &bench{options: &options{rounds: 3}, notes: []string{"one", "", "two"}, results: []cell{
		measured("touch", javaScript, 16, loadgen.Result{Rate: 1000, P99: 4000}),
		measured("touch", onHost, 16, loadgen.Result{Rate: 2500, P99: 3000}),
		measured("touch", goInWorkerd, 16, loadgen.Result{Rate: 750}),
		measured("start", javaScript, 0, loadgen.Result{Mode: "coldstart", FirstMS: 50}),
		measured("start", onHost, 0, loadgen.Result{Mode: "coldstart", FirstMS: 200}),
		measured("compile", onHost, 0, loadgen.Result{Mode: "coldstart", FirstMS: 1500}),
	}}
	var out strings.Builder
	require.NoError(t, b.writeTable(&out))
	lines := strings.Split(out.String(), "\n")
	require.Equal(t, 8, strings.Count(lines[0], "|"))
	for i, end := range map[int]string{2: "| 2.50× | 0.75× | 0.75× |", 3: "| 0.25× | – | – |", 4: "| – | – | – |"} {
		require.True(t, strings.HasSuffix(lines[i], end), lines[i])
		require.Equal(t, 8, strings.Count(lines[i], "|"), lines[i])
	}
	require.Empty(t, lines[5], "a line for each row, and no more")
	require.Contains(t, out.String(), "one; two.")
}

func TestBench_failures(t *testing.T) {
	t.Parallel()
	b := &bench{results: []cell{measured("a", onHost, 0, loadgen.Result{}), measured("b", javaScript, 0, loadgen.Result{Errors: 2, FirstError: "reset"})}}
	require.EqualError(t, b.failures(), "b: JavaScript in workerd: 2 requests failed, the first: reset")
}

func TestParse(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-workerd w -rounds 0":  "-rounds 0: want at least 1",
		"-workerd w -rows (":    "-rows: error parsing regexp",
		"-workerd w -keys 1000": "-keys 1000: want more than 1000",
		"-workerd w more":       `unexpected argument "more"`,
		"-workerd= -rounds 1":   "-workerd is missing",
	} {
		_, err := parse(strings.Fields(args))
		require.ErrorContains(t, err, want)
	}
}
