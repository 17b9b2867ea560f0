package proxy

import (
	"context"
	"runtime"
	"runtime/debug"
	runtimemetrics "runtime/metrics"

	"github.com/slapos/slapos-go/proxy/internal/promtext"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// writeMetrics writes /metrics. What can be told without the database is told
// also when it does not answer.
func (s *Server) writeMetrics(ctx context.Context) []byte {
	var w promtext.Writer
	s.writeCalls(&w)
	s.writeStore(&w)
	s.writeCensus(ctx, &w)
	s.writeProcess(&w)
	return w.Bytes()
}

func (s *Server) writeCalls(w *promtext.Writer) {
	m := s.metrics
	w.Family("slapos_master_calls_total", promtext.Counter, "Calls by surface, method and class of the status.")
	for _, key := range m.countedCalls() {
		w.Value(float64(m.count(key)), "surface", key.surface, "method", key.method, "status", key.class)
	}
	w.Family("slapos_master_call_duration_seconds", promtext.Histogram, "Time from the header of a call to the end of its answer.")
	for _, surface := range surfaces {
		w.Distribution(m.took[surface], "surface", surface)
	}
	w.Family("slapos_master_calls_in_flight", promtext.Gauge, "Calls being served, this one among them.")
	w.Value(float64(m.inFlight.Load()))
	w.Family("slapos_master_connections", promtext.Gauge, "Connections that are open.")
	w.Value(float64(s.connections.open()))
	w.Family("slapos_master_connections_limit", promtext.Gauge, "Connections that may be open at once.")
	w.Value(float64(s.config.limits.Connections))
	w.Family("slapos_master_connections_waited_total", promtext.Counter, "Connections that had to wait until another one was closed.")
	w.Value(float64(s.connections.waited.Load()))
	w.Family("slapos_master_bodies_refused_total", promtext.Counter, "Large bodies that found no room.")
	w.Value(float64(s.bodies.refused.Load()))
}

func (s *Server) writeStore(w *promtext.Writer) {
	m := s.metrics
	w.Family("slapos_master_commit_duration_seconds", promtext.Histogram, "Time of a commit, until it was on the disk.")
	w.Distribution(m.commits)
	w.Family("slapos_master_commit_updates", promtext.Histogram, "Changes that shared a commit.")
	w.Distribution(m.groups)
	w.Family("slapos_master_commits_failed_total", promtext.Counter, "Commits that failed: nothing of them was kept.")
	w.Value(float64(m.commitsFailed.Load()))
	hits, misses, bytes := s.master.cache.usage()
	w.Family("slapos_master_cache_requests_total", promtext.Counter, "Look-ups of kept answers.")
	w.Value(float64(hits), "result", "hit")
	w.Value(float64(misses), "result", "miss")
	w.Family("slapos_master_cache_bytes", promtext.Gauge, "Bytes of kept answers.")
	w.Value(float64(bytes))
}

// writeCensus writes what the database holds.
func (s *Server) writeCensus(ctx context.Context, w *promtext.Writer) {
	s.metrics.census.mu.Lock()
	defer s.metrics.census.mu.Unlock()
	c, err := s.takeCensus(ctx)
	w.Family("slapos_master_database_up", promtext.Gauge, "Whether the database was read.")
	if err != nil {
		s.config.logger.Warn("the metrics lack what the database holds", "error", err)
		w.Value(0)
		return
	}
	w.Value(1)
	w.Family("slapos_master_computers", promtext.Gauge, "Computers.")
	w.Value(float64(c.computers))
	w.Family("slapos_master_computers_silent", promtext.Gauge, "Computers that were never heard of.")
	w.Value(float64(c.silent))
	w.Family("slapos_master_partitions", promtext.Gauge, "Partitions.")
	w.Value(float64(c.counts.Busy), "state", "busy")
	w.Value(float64(c.counts.Partitions-c.counts.Busy), "state", "free")
	writeCounts(w, "slapos_master_instances", "Instances by wanted state and last report.", c.counts.Instances)
	writeCounts(w, "slapos_master_shared_instances", "Shared instances by wanted state and last report.", c.counts.Shared)
	writeCounts(w, "slapos_master_software_releases", "Supplied releases by wanted state and last report.", c.counts.Software)
	w.Family("slapos_master_computer_contact_age_seconds", promtext.Gauge,
		"Time since a computer was last heard of; of the thousand that were silent for longest.")
	now := s.master.now()
	for _, computer := range c.contacts {
		w.Value(max(0, now-computer.at), "computer", computer.computer)
	}
}

func writeCounts(w *promtext.Writer, name, help string, counts []store.Count) {
	w.Family(name, promtext.Gauge, help)
	for _, c := range counts {
		w.Value(float64(c.Number), "state", c.Wanted, "report", c.Reported)
	}
}

func (s *Server) writeProcess(w *promtext.Writer) {
	if s.config.certificate != nil {
		w.Family("slapos_master_certificate_expiry_timestamp_seconds", promtext.Gauge, "When the certificate that is used ends.")
		w.Value(float64(s.config.certificate.expires().Unix()))
	}
	w.Family("slapos_master_start_timestamp_seconds", promtext.Gauge, "When the database was opened.")
	w.Value(float64(s.metrics.started.Unix()))
	w.Family("slapos_master_build_info", promtext.Gauge, "The version of this master.")
	w.Value(1, append(buildLabels(), "goversion", runtime.Version())...)
	for _, family := range []struct{ name, kind, help, source string }{
		{"go_goroutines", promtext.Gauge, "Goroutines.", "/sched/goroutines:goroutines"},
		{"go_memory_heap_objects_bytes", promtext.Gauge, "Memory of objects.", "/memory/classes/heap/objects:bytes"},
		{"go_memory_total_bytes", promtext.Gauge, "Memory mapped by the runtime.", "/memory/classes/total:bytes"},
		{"go_gc_cycles_total", promtext.Counter, "Completed collections.", "/gc/cycles/total:gc-cycles"},
	} {
		sample := []runtimemetrics.Sample{{Name: family.source}}
		runtimemetrics.Read(sample)
		if sample[0].Value.Kind() != runtimemetrics.KindUint64 {
			continue // this runtime does not measure it
		}
		w.Family(family.name, family.kind, family.help)
		w.Value(float64(sample[0].Value.Uint64()))
	}
}

// buildLabels tell the version of the program and the revision of its source.
func buildLabels() []string {
	version, revision := "", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				revision = setting.Value
			}
		}
	}
	return []string{"version", version, "revision", revision}
}
