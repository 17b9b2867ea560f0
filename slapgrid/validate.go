package slapgrid

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Validate checks that what is required is given and that the files and
// directories that are named exist, with the messages of the reference.
func (c *Config) Validate() error {
	if err := c.checkFields(); err != nil {
		return err
	}
	files := []string{c.KeyFile, c.CertFile, c.MasterCAFile}
	for _, key := range networkCacheKeys {
		if strings.HasSuffix(key, "-file") {
			files = append(files, c.NetworkCache[key])
		}
	}
	for _, file := range files {
		if file == "" {
			continue
		}
		if _, err := os.Stat(file); err != nil {
			return compatf("File '%s' does not exist.", file)
		}
	}
	if dir := c.CertificateRepository; dir != "" {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return compatf("Directory '%s' does not exist", dir)
		}
	}
	return nil
}

// checkFields is the part of Validate that does no I/O.
func (c *Config) checkFields() error {
	var missing []string
	need := func(name, value string) {
		if value == "" {
			missing = append(missing, name)
		}
	}
	need("computer_id", c.ComputerID)
	need("instance_root", c.InstanceRoot)
	need("master_url", c.MasterURL)
	need("software_root", c.SoftwareRoot)
	if c.KeyFile != "" || c.CertFile != "" {
		need("key_file", c.KeyFile)
		need("cert_file", c.CertFile)
		need("certificate_repository_path", c.CertificateRepository)
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return compatf("Missing mandatory parameters: %s", strings.Join(missing, ", "))
	}
	switch {
	case c.Parallel < 0:
		return fmt.Errorf("parallel: %d is not a number of jobs", c.Parallel)
	case c.PromiseTimeout < 0:
		return compatf("promise_timeout: %v is negative", c.PromiseTimeout)
	case c.PartitionTimeout < 0:
		return compatf("partition_timeout: %v is negative", c.PartitionTimeout)
	}
	switch c.Supervisor {
	case "", SupervisorAuto, SupervisorEmbedded, SupervisorReal:
		return nil
	}
	return fmt.Errorf("supervisor: '%s' is none of auto, embedded, supervisord", c.Supervisor)
}

// clone is a copy that shares nothing which the caller may still change.
func (c Config) clone() Config {
	c.NetworkCache = maps.Clone(c.NetworkCache)
	for _, list := range []*[]string{
		&c.Managers, &c.SupervisorCommand, &c.SupervisordCommand, &c.Environ, &c.OnlySoftware, &c.OnlyPartitions,
	} {
		*list = slices.Clone(*list)
	}
	return c
}

// complete fills in the defaults and makes the roots absolute.
func (c *Config) complete() error {
	var err error
	if c.SoftwareRoot, err = filepath.Abs(c.SoftwareRoot); err != nil {
		return err
	}
	if c.InstanceRoot, err = filepath.Abs(c.InstanceRoot); err != nil {
		return err
	}
	fill(&c.Python, "python3")
	fill(&c.MaximumPeriodicity, defaultPeriodicity)
	fill(&c.PromiseTimeout, defaultPromiseTimeout)
	fill(&c.SoftwareMinFreeSpace, int64(defaultMinFreeSpace))
	fill(&c.InstanceMinFreeSpace, int64(defaultMinFreeSpace))
	fill(&c.Supervisor, SupervisorAuto)
	fill(&c.Parallel, runtime.NumCPU())
	if len(c.SupervisordCommand) == 0 {
		c.SupervisordCommand = []string{"supervisord"}
	}
	return nil
}

// fill gives a field that is zero its default.
func fill[T comparable](field *T, fallback T) {
	var zero T
	if *field == zero {
		*field = fallback
	}
}
