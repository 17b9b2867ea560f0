package slapgrid

import "time"

// Config is what a node agent needs to know. The zero value of every field is
// usable unless its comment says that it is required. [ParseConfig] fills one
// from a configuration file.
type Config struct {
	// MasterURL is the address of the slap service. Required.
	MasterURL string
	// ComputerID is the reference of this node at the master. Required.
	ComputerID string
	// SoftwareRoot holds the software releases. Required; must exist.
	SoftwareRoot string
	// InstanceRoot holds the partitions. Required; must exist.
	InstanceRoot string

	// KeyFile and CertFile are the TLS client identity of the node; either
	// both or none.
	KeyFile, CertFile string
	// CertificateRepository is the directory of the partitions' certificates;
	// required with KeyFile and CertFile.
	CertificateRepository string
	// MasterCAFile holds the authorities the master's certificate is checked
	// against; empty means those of the system.
	MasterCAFile string
	// SkipMasterVerification accepts any certificate of the master, as the
	// reference does.
	SkipMasterVerification bool

	// BuildoutScript is a Python script used to bootstrap buildout instead of
	// an importable zc.buildout. Optional.
	BuildoutScript string
	// Python is the interpreter that bootstraps buildout and runs promise
	// plugins of releases without an interpreter of their own: a path, or a
	// name looked up in the PATH of Environ. Empty means python3.
	Python string
	// SharedPartList and BuildTimePartList go to buildout as they are.
	SharedPartList, BuildTimePartList string
	// NetworkCache holds the keys of the [networkcache] section, with dashes,
	// that are handed on to buildout.
	NetworkCache map[string]string

	// MaximumPeriodicity is the age after which an unchanged partition is
	// processed again: zero means a day. Negative: never. See AlwaysProcess.
	MaximumPeriodicity time.Duration
	// AlwaysProcess is a periodicity of zero: every run processes everything.
	AlwaysProcess bool
	// PromiseTimeout limits one promise; zero means 20 seconds.
	PromiseTimeout time.Duration
	// PartitionTimeout limits the building of one partition; zero means none.
	PartitionTimeout time.Duration

	// SoftwareMinFreeSpace and InstanceMinFreeSpace are the bytes that must be
	// free before a release or a partition is built; zero means 1000 MiB,
	// negative means no check.
	SoftwareMinFreeSpace, InstanceMinFreeSpace int64
	// InstanceStorageHome is the root of the data directories that partitions
	// link to; see section 11.6 of the reference's behaviour. Optional.
	InstanceStorageHome string
	// IPv4GlobalNetwork goes into the instance profile as it is.
	IPv4GlobalNetwork string
	// Managers are the names of manager_list. None exists in this version: a
	// pass warns for each.
	Managers []string
	// Firewall tells that the configuration asks for firewall rules.
	Firewall bool

	// Supervisor chooses the daemon that keeps processes: [SupervisorAuto]
	// (also when empty), [SupervisorEmbedded] or [SupervisorReal]. A daemon
	// that answers on the socket is always used, whichever it is.
	Supervisor SupervisorKind
	// SupervisorCommand starts the embedded daemon in the foreground; the path
	// of the configuration file is appended. Required to launch one.
	SupervisorCommand []string
	// SupervisordCommand starts the real supervisord; "-c" and the path are
	// appended. Empty means supervisord, looked up in the PATH of Environ.
	SupervisordCommand []string
	// ForbidSupervisordLaunch keeps passes from launching a daemon.
	ForbidSupervisordLaunch bool
	// WatchdogProgram is the event listener that bangs when a service exits;
	// empty leaves the listener without a command.
	WatchdogProgram string

	// Parallel is the number of jobs at a time: zero means the number of CPUs,
	// one reproduces the order of the reference.
	Parallel int
	// AllowRoot lets releases and partitions that belong to root be processed
	// as root instead of refusing them. Meant for throw-away containers only.
	AllowRoot bool
	// Develop processes everything at every run.
	Develop bool
	// Environ is the environment of the agent (os.Environ()), cleaned before
	// children get it.
	Environ []string

	// RootCheck tells the command to refuse to run as another user than root.
	RootCheck bool
	// MaximalDelay is the longest random wait before a run, for the command.
	MaximalDelay time.Duration
	// PIDFileSoftware, PIDFileInstance and PIDFileReport are the lock files of
	// the passes, for the command; Promises shares that of Instances.
	PIDFileSoftware, PIDFileInstance, PIDFileReport string
	// OnlySoftware and OnlyPartitions are the selections of the configuration
	// file, for the command to pass as options.
	OnlySoftware, OnlyPartitions []string
}

// SupervisorKind names a way to keep processes.
type SupervisorKind string

// The supervisors of [Config].
const (
	SupervisorAuto     SupervisorKind = "auto"
	SupervisorEmbedded SupervisorKind = "embedded"
	SupervisorReal     SupervisorKind = "supervisord"
)
