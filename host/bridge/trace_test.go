package bridge_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/bridge"
)

func TestTraceID(t *testing.T) {
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for value, want := range map[string]string{
		"00-" + trace + "-" + parent + "-01":                              trace,
		"01-" + trace + "-" + parent + "-00":                              trace,
		"cc-" + trace + "-" + parent + "-01-what-comes-later":             trace,
		"00-" + trace + "-" + parent + "-01-more":                         "",
		"01-" + trace + "-" + parent + "-01-":                             "",
		"ff-" + trace + "-" + parent + "-01":                              "",
		"00-" + "00000000000000000000000000000000" + "-" + parent + "-01": "",
		"00-" + trace + "-" + "0000000000000000" + "-01":                  "",
		"00-" + "4BF92F3577B34DA6A3CE929D0E0E4736" + "-" + parent + "-01": "",
		"00-" + trace[1:] + "-" + parent + "-01":                          "",
		"00-" + trace + "-" + parent + "-1":                               "",
		"00-" + trace + "-" + parent:                                      "",
		"":                                                                "",
		"nonsense":                                                        "",
	} {
		require.Equal(t, want, bridge.TraceID(http.Header{"Traceparent": {value}}), value)
	}
	require.Empty(t, bridge.TraceID(http.Header{}))
	valid := "00-" + trace + "-" + parent + "-01"
	require.Empty(t, bridge.TraceID(http.Header{"Traceparent": {valid, valid}}), "one at most")
}
