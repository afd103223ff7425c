package loadgen

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is what a server has used so far: the process and its descendants.
type usage struct {
	cpu   time.Duration
	rssKB float64
}

// usageOf reads /proc; where there is none, or for pid 0, it is zero.
func usageOf(pid int) (u usage) {
	if pid == 0 {
		return u
	}
	for _, p := range append([]int{pid}, descendants(pid)...) {
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p)); err == nil {
			u.cpu += statCPU(string(b))
		}
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p)); err == nil {
			u.rssKB += statusRSS(string(b))
		}
	}
	return u
}

// tick is the unit of CPU times in /proc: USER_HZ is 100 on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// statCPU is user and system time in a /proc/PID/stat. The command's name may hold spaces: fields count from its end.
func statCPU(stat string) time.Duration {
	f := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * tick
}

// statusRSS is the resident memory in a /proc/PID/status, in KiB.
func statusRSS(status string) float64 {
	_, rest, _ := strings.Cut(status, "\nVmRSS:")
	number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	kb, _ := strconv.ParseFloat(number, 64)
	return kb
}

func descendants(pid int) (all []int) {
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, t := range tasks {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
		for _, f := range strings.Fields(string(b)) {
			if child, err := strconv.Atoi(f); err == nil {
				all = append(append(all, child), descendants(child)...)
			}
		}
	}
	return all
}

// selfCPU is what this process has used.
func selfCPU() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// meter brackets a measured stretch.
type meter struct {
	pid     int
	began   time.Time
	server  usage
	self    time.Duration
	elapsed time.Duration
	after   usage
	spent   time.Duration
}

func startMeter(pid int) *meter {
	return &meter{pid: pid, server: usageOf(pid), self: selfCPU(), began: time.Now()}
}

// stop ends the stretch: what happens afterwards is not counted.
func (m *meter) stop() {
	m.elapsed, m.after, m.spent = time.Since(m.began), usageOf(m.pid), selfCPU()-m.self
}

// fill writes the rate and the costs of r.Ops operations into r.
func (m *meter) fill(r *Result) {
	r.Seconds = m.elapsed.Seconds()
	r.Rate = r.Ops / r.Seconds
	r.GeneratorCores = m.spent.Seconds() / r.Seconds
	if m.pid == 0 {
		return
	}
	cpu := m.after.cpu - m.server.cpu
	r.ServerCores = cpu.Seconds() / r.Seconds
	if r.Ops > 0 {
		r.ServerCPU = float64(cpu.Microseconds()) / r.Ops
	}
	r.RSSBefore, r.RSSAfter = m.server.rssKB, m.after.rssKB
}
