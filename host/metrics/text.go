package metrics

import (
	"strconv"
	"strings"
	"time"
)

// ContentType is that of a Text.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Text is metrics as Prometheus reads them: a family, then its samples, then the next family. Labels are pairs of a name and
// a value.
type Text struct {
	b    []byte
	name string // of the family
}

// Bytes is the text so far.
func (t *Text) Bytes() []byte { return t.b }

// Counter begins a family of numbers that only grow.
func (t *Text) Counter(name, help string) { t.family(name, "counter", help) }

// Gauge begins a family of numbers that go up and down.
func (t *Text) Gauge(name, help string) { t.family(name, "gauge", help) }

// Histograms begins a family of histograms, in seconds.
func (t *Text) Histograms(name, help string) { t.family(name, "histogram", help) }

func (t *Text) family(name, kind, help string) {
	t.name = name
	t.b = append(t.b, "# HELP "+name+" "+strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(help)+"\n# TYPE "+name+" "+kind+"\n"...)
}

// Value is a sample of the family.
func (t *Text) Value(v int64, labels ...string) { t.sample("", strconv.FormatInt(v, 10), labels) }

// Histogram is a sample of a family of them.
func (t *Text) Histogram(h *Histogram, labels ...string) {
	sum := int64(0)
	for i := range h.counts {
		sum += h.counts[i].Load()
		end := "+Inf"
		if i < len(bounds) {
			end = seconds(int64(bounds[i]))
		}
		t.sample("_bucket", strconv.FormatInt(sum, 10), append(labels[:len(labels):len(labels)], "le", end))
	}
	t.sample("_sum", seconds(h.sum.Load()), labels)
	t.sample("_count", strconv.FormatInt(sum, 10), labels)
}

func seconds(ns int64) string {
	return strconv.FormatFloat(float64(ns)/float64(time.Second), 'g', -1, 64)
}

func (t *Text) sample(suffix, value string, labels []string) {
	t.b = append(append(t.b, t.name...), suffix...)
	for i := 0; i+1 < len(labels); i += 2 {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		t.b = append(t.b, sep)
		t.b = append(append(t.b, labels[i]...), `="`...)
		t.b = append(append(t.b, escape.Replace(labels[i+1])...), '"')
	}
	if len(labels) > 0 {
		t.b = append(t.b, '}')
	}
	t.b = append(append(append(t.b, ' '), value...), '\n')
}

var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
