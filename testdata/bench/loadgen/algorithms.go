package loadgen

import "fmt"

// Decisions of the small rule of each algorithm, of which the clock is part of the request. Each has an
// object of its own. 1767225600000 is the beginning of 2026, and of a second.
var decisions = decided(1_767_225_600_000,
	// A bucket of 5 that gets 3 back each second.
	algorithmTable{"token_bucket", []decision{
		{0, 4, true, 1, 0, 1000}, {400, 2, false, 1, 600, 600}, {1000, 2, true, 2, 0, 1000}, {1999, 3, false, 2, 1, 1},
		{2000, 6, false, 5, -1, 0}, {2500, 5, true, 0, 0, 1000}, {2600, 4, false, 0, 1900, 900}, {9000, 0, true, 5, 0, 0},
	}},
	// 3 at once, and one back each third of a second.
	algorithmTable{"gcra", []decision{
		{0, 2, true, 1, 0, 334}, {0, 2, false, 1, 334, 334}, {333, 2, false, 1, 1, 1}, {334, 2, true, 0, 0, 333}, {500, 1, false, 0, 167, 167},
		{667, 1, true, 0, 0, 333}, {700, 4, false, 0, -1, 300}, {9000, 1, true, 2, 0, 334},
	}},
	// 3 in each second.
	algorithmTable{"fixed_window", []decision{
		{100, 2, true, 1, 0, 900}, {999, 2, false, 1, 1, 1}, {1000, 3, true, 0, 0, 1000}, {1500, 1, false, 0, 500, 500}, {1500, 4, false, 0, -1, 500},
		{5000, 1, true, 2, 0, 1000},
	}},
	// The same, and what the second before used counts in part.
	algorithmTable{"sliding_window", []decision{
		{500, 3, true, 0, 0, 834}, {999, 1, false, 0, 335, 335}, {1000, 1, false, 0, 334, 334}, {1334, 1, true, 0, 0, 333}, {1400, 2, false, 0, 600, 267},
		{2000, 2, true, 0, 0, 1000}, {2500, 3, false, 0, 1500, 500}, {9000, 1, true, 2, 0, 2000},
	}},
	// 3 in any second.
	algorithmTable{"sliding_log", []decision{
		{0, 1, true, 2, 0, 1000}, {300, 1, true, 1, 0, 700}, {300, 1, true, 0, 0, 700}, {999, 1, false, 0, 1, 1}, {1000, 2, false, 1, 300, 300},
		{1300, 3, true, 0, 0, 1000}, {1300, 4, false, 0, -1, 1000}, {9000, 1, true, 2, 0, 1000},
	}},
	// 3 at once, each for a second.
	algorithmTable{"concurrency", []decision{
		{0, 2, true, 1, 0, 1000}, {500, 2, false, 1, 500, 500}, {500, 1, true, 0, 0, 500}, {1000, 2, true, 0, 0, 500}, {1200, 4, false, 0, -1, 300},
		{9000, 1, true, 2, 0, 1000},
	}},
	// 3 in January, which has 2678400000 ms, and in February.
	algorithmTable{"month", []decision{
		{0, 2, true, 1, 0, 2_678_400_000}, {2_678_399_999, 2, false, 1, 1, 1}, {2_678_400_000, 3, true, 0, 0, 2_419_200_000},
		{2_678_400_001, 4, false, 0, -1, 2_419_199_999},
	}},
)

// algorithmTable is what one algorithm decides, in order.
type algorithmTable struct {
	name string
	list []decision
}

// decision is one of them: when, relative to the beginning of the table, for how much, and the answer.
type decision struct {
	at, cost                int64
	allowed                 bool
	remaining, retry, reset int64
}

// decided are the questions of tables.
func decided(begin int64, tables ...algorithmTable) (all []question) {
	for _, t := range tables {
		for _, d := range t.list {
			status := 200
			if !d.allowed {
				status = 429
			}
			all = append(all, question{"POST", fmt.Sprintf("/decide/{k}-%s/small-%s?now=%d&cost=%d", t.name, t.name, begin+d.at, d.cost), "", status,
				fmt.Sprintf(`{"allowed":%t,"remaining":%d,"retry_in_ms":%d,"reset_in_ms":%d}`, d.allowed, d.remaining, d.retry, d.reset)})
		}
	}
	return all
}
