package hosttest_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

// TestStreams_numbers: bodies of responses and streams in values go on beside each other, however the guest and the runtime number
// them: some of each would have the same.
func TestStreams_numbers(t *testing.T) {
	t.Parallel()
	hosttest.Each(t, hosttest.Options{Config: "../../testdata/guests/soak/wrangler.toml", Isolates: 1, RealTime: true}, func(t *testing.T, h *hosttest.Host) {
		for range 150 { // the runtime's numbers are ahead, and the guest's catch up below
			<-get(t, h, "/due/a")
		}
		var list []<-chan string
		for i := range 64 {
			list = append(list, get(t, h, fmt.Sprintf("/mixed/a?to=b&n=%d", 1000+i)))
		}
		for i, answer := range list {
			require.Equal(t, fmt.Sprintf("begun\n%d <nil>\n", 1000+i+6), <-answer)
		}
		h.Record("each has its own")
	})
}
