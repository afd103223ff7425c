package metrics_test

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"durago.example/host/metrics"
)

func TestText(t *testing.T) {
	var h metrics.Histogram
	for _, d := range []time.Duration{0, 50 * time.Microsecond, 51 * time.Microsecond, time.Second, time.Hour} {
		h.Observe(d)
	}
	var twice metrics.Histogram
	twice.Add(&h)
	twice.Add(&h)

	var text metrics.Text
	text.Counter("a_total", "back\\slash\nand line")
	text.Value(3, "class", "quote\" back\\ line\n é")
	text.Value(-1, "class", "other", "event", "fetch")
	text.Gauge("b", "")
	text.Value(math.MaxInt64)
	text.Histograms("c_seconds", "times")
	text.Histogram(&h, "class", "x")
	text.Histogram(&twice)

	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(bytes.NewReader(text.Bytes()))
	require.NoError(t, err)
	require.Len(t, families, 3)
	a := families["a_total"]
	require.Equal(t, "COUNTER", a.GetType().String())
	require.Equal(t, "back\\slash\nand line", a.GetHelp())
	require.Equal(t, "quote\" back\\ line\n é", a.Metric[0].Label[0].GetValue())
	require.InDelta(t, 3, a.Metric[0].GetCounter().GetValue(), 0)
	require.Len(t, a.Metric[1].Label, 2)
	require.Equal(t, "GAUGE", families["b"].GetType().String())

	c := families["c_seconds"]
	require.Equal(t, "HISTOGRAM", c.GetType().String())
	require.Len(t, c.Metric, 2)
	x := c.Metric[0].GetHistogram()
	require.EqualValues(t, 5, x.GetSampleCount())
	require.InDelta(t, 3601.000101, x.GetSampleSum(), 1e-9)
	cumulative := map[float64]uint64{}
	for _, b := range x.Bucket {
		cumulative[b.GetUpperBound()] = b.GetCumulativeCount()
	}
	require.EqualValues(t, 2, cumulative[0.00005], "a bound belongs to its bucket")
	require.EqualValues(t, 3, cumulative[0.0001])
	require.EqualValues(t, 3, cumulative[0.5])
	require.EqualValues(t, 4, cumulative[30])
	require.EqualValues(t, 5, cumulative[math.Inf(1)])
	require.EqualValues(t, 10, c.Metric[1].GetHistogram().GetSampleCount())
	require.EqualValues(t, 5, h.Count())
}

// TestText_seed is a text with a label that nobody has escaped, which the parser must refuse.
func TestText_seed(t *testing.T) {
	p := expfmt.NewTextParser(model.LegacyValidation)
	_, err := p.TextToMetricFamilies(strings.NewReader("# TYPE a counter\na{class=\"quote\" b\"} 1\n"))
	require.Error(t, err)
}
