package slap

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/slapos/slapos-go/internal/marshal"
)

// ComputerPartition (IComputerPartition) is a place for an instance on a
// computer, together with what the master told of the instance in it when it
// was read. Getters answer from that and do no I/O; Refresh reads again. All
// methods may be called by several goroutines at once.
//
// Calls about a partition without an identifier send nothing and are
// ErrNotReady. Those about one that the master does not know are ErrNotFound, as
// far as it looks: stand-alone masters of the reference answer 500 (ErrServer) to
// reads, and say nothing to most reports. What a real master does not allow is
// ErrAuthentication.
//
// The result of a shared request stands for the share: its parameters and
// connection parameters are those of the share, its identifiers those of the
// partition that hosts it.
type ComputerPartition struct {
	client   *Client
	snapshot atomic.Pointer[snapshot]
	// again reads the partition again where that is not done by its
	// identifiers: for the result of a shared request.
	again func(context.Context) (*snapshot, error)

	usageMu sync.Mutex
	usage   string
}

func newPartition(c *Client, s *snapshot) *ComputerPartition {
	p := &ComputerPartition{client: c}
	p.snapshot.Store(s)
	c.journalCreate(s.partitionID)
	return p
}

// told returns what the master told, nothing if the partition was not made by a
// Client.
func (p *ComputerPartition) told() *snapshot {
	if s := p.snapshot.Load(); s != nil {
		return s
	}
	return &snapshot{}
}

// ID returns the identifier of the partition on its computer (getId).
func (p *ComputerPartition) ID() (string, error) {
	s := p.told()
	return s.known("identifier", s.partitionID)
}

// ComputerID returns the identifier of the computer.
func (p *ComputerPartition) ComputerID() string { return p.told().computerID }

// InstanceGUID returns the identifier of the instance at the master
// (getInstanceGuid). It is ErrNotReady if the master has not told it.
func (p *ComputerPartition) InstanceGUID() (string, error) {
	s := p.told()
	return s.known("instance guid", s.guid)
}

// State returns the wanted state of the instance (getState): StateStarted,
// StateStopped or StateDestroyed. It is ErrNotReady if the master has not told
// it.
func (p *ComputerPartition) State() (State, error) {
	s := p.told()
	state, err := s.known("requested state", string(s.state))
	return State(state), err
}

// Type returns the software type of the instance (getType). It is ErrNotReady
// if there is none, as on a free partition: see SoftwareRelease, which tells one.
func (p *ComputerPartition) Type() (string, error) {
	s := p.told()
	return s.known("software type", s.text("slap_software_type"))
}

// Title returns the name under which the instance was requested (the parameter
// instance_title), empty if the master has not told it.
func (p *ComputerPartition) Title() string { return p.told().text("instance_title") }

// RootTitle returns the title of the root instance of the tree (the parameter
// root_instance_title), empty if the master has not told it.
func (p *ComputerPartition) RootTitle() string {
	return p.told().text("root_instance_title")
}

// AccessStatus returns the latest access message of the instance, empty if
// the master has not told any (getAccessStatus).
func (p *ComputerPartition) AccessStatus() string { return p.told().accessStatus }

// NeedModification tells whether the master holds the instance for changed.
func (p *ComputerPartition) NeedModification() bool { return p.told().needModification }

// SoftwareRelease returns the software release of the instance
// (getSoftwareRelease). It is ErrNotFound if there is none, as on a free
// partition.
func (p *ComputerPartition) SoftwareRelease() (*SoftwareRelease, error) {
	s := p.told()
	if s.release == nil {
		return nil, notFound("partition", "no software release for partition %s", s.partitionID)
	}
	return s.release, nil
}

// InstanceParameters returns a copy of the parameters of the instance
// (getInstanceParameterDict), empty if there are none. Beside those requested,
// the master puts its own there: ip_list, slap_software_type, timestamp and
// others. Lists and dictionaries in it are not copied, and not to be changed.
func (p *ComputerPartition) InstanceParameters() Parameters {
	return p.told().parameters.Clone()
}

// InstanceParameter returns one parameter of the instance
// (getInstanceParameter). It is ErrNotFound if it is missing.
func (p *ComputerPartition) InstanceParameter(key string) (any, error) {
	v, ok := p.told().parameters[key]
	if !ok {
		return nil, notFound("partition", "instance parameter %q not found", key)
	}
	return v, nil
}

// Timestamp returns the time of the last change of the instance, as the master
// writes it: seconds since 1970, an integer from a real master and with a
// fraction from a stand-alone one; empty if it has not told it. It serves to be
// compared with an earlier one, as text.
func (p *ComputerPartition) Timestamp() string {
	return p.told().text("timestamp")
}

// ConnectionParameters returns a copy of what the instance has published
// (getConnectionParameterDict), empty if there is nothing.
func (p *ComputerPartition) ConnectionParameters() Parameters {
	return p.told().connection.Clone()
}

// ConnectionParameter returns one connection parameter as text
// (getConnectionParameter), in the way of [Parameters.String]. Of an instance that
// publishes as JSON in "_" it is also one of those in it. If it is missing or null
// the error is ErrNotFound, and also ErrNotReady because the instance may publish
// it later; see [WaitConnectionParameters].
func (p *ComputerPartition) ConnectionParameter(key string) (string, error) {
	connection := p.told().connection
	text, ok := connection.String(key)
	if !ok {
		text, ok = connection.unwrapped().String(key)
	}
	if !ok {
		return "", &Error{
			Op: "partition", Message: fmt.Sprintf("connection parameter %q not found", key),
			Kinds: []error{ErrNotFound, ErrNotReady},
		}
	}
	return text, nil
}

// Filter returns a copy of the filter the instance was requested with, where
// the master tells it.
func (p *ComputerPartition) Filter() Parameters { return p.told().filter.Clone() }

// IPList returns the addresses of the partition (the parameter ip_list): those it
// has without a gateway; a real master tells the others in
// [ComputerPartition.FullIPList].
func (p *ComputerPartition) IPList() []NetworkAddress {
	list, _ := p.told().get("ip_list")
	return addressesOf(list)
}

// FullIPList returns the addresses of the partition that have a gateway and a
// network of their own (the parameter full_ip_list). The stand-alone master tells
// them only if it is told to format as a real one does.
func (p *ComputerPartition) FullIPList() []RoutedAddress {
	list, _ := p.told().get("full_ip_list")
	return routedOf(list)
}

// SharedInstances returns the shares of the instance, its slaves (the parameter
// slave_instance_list).
func (p *ComputerPartition) SharedInstances() []SharedInstance {
	list, _ := p.told().get("slave_instance_list")
	return sharedOf(list)
}

// SetUsage keeps a usage log with the partition until it is reported
// (setUsage). It is not sent to the master; see [Computer.ReportUsage].
func (p *ComputerPartition) SetUsage(log string) {
	p.usageMu.Lock()
	defer p.usageMu.Unlock()
	p.usage = log
}

// Usage returns the usage log kept by SetUsage.
func (p *ComputerPartition) Usage() string {
	p.usageMu.Lock()
	defer p.usageMu.Unlock()
	return p.usage
}

// Refresh reads the partition again from the master. If it fails, what was
// known before stays. For the result of a shared request it makes the same request
// again, as there is no other way to read a share.
func (p *ComputerPartition) Refresh(ctx context.Context) error {
	if _, err := p.ID(); err != nil {
		return err
	}
	read := p.again
	if read == nil {
		at := p.told()
		read = func(ctx context.Context) (*snapshot, error) {
			return p.client.fetchPartition(ctx, at.computerID, at.partitionID)
		}
	}
	s, err := read(ctx)
	if err != nil {
		return err
	}
	p.snapshot.Store(s)
	return nil
}

// snapshot is what the master told of a partition. It is never changed.
type snapshot struct {
	computerID, partitionID string
	guid                    string
	state                   State
	accessStatus            string
	needModification        bool
	release                 *SoftwareRelease
	parameters              Parameters
	connection              Parameters
	filter                  Parameters
	// attributes are what the answer of a request tells beside the parameters;
	// of a partition that was read all of it is among them.
	attributes Parameters
}

// get returns what the master adds to the parameters of an instance. In the answer
// of a request, parameters that are called the same are those of the requester.
func (s *snapshot) get(key string) (any, bool) {
	if v := s.attributes[key]; v != nil {
		return v, true
	}
	v, ok := s.parameters[key]
	return v, ok
}

// text returns the same as text, empty if it is missing.
func (s *snapshot) text(key string) string {
	if text, _ := s.attributes.String(key); text != "" {
		return text
	}
	text, _ := s.parameters.String(key)
	return text
}

// fetchPartition reads one partition.
func (c *Client) fetchPartition(ctx context.Context, computerID, partitionID string) (*snapshot, error) {
	const op = "partition information"
	if computerID == "" || partitionID == "" {
		return nil, notFound(op, "a computer and a partition are needed, got %q and %q", computerID, partitionID)
	}
	object, err := c.getObject(ctx, call{op: op, path: "registerComputerPartition", fields: []field{
		{"computer_reference", computerID},
		{"computer_partition_reference", partitionID},
	}}, marshal.ClassComputerPartition)
	if err != nil {
		return nil, err
	}
	s, err := readPartition(c, &marshal.Natives{}, object)
	if err != nil {
		return nil, c.unreadable(op, err)
	}
	return s, nil
}

// readPartition reads a ComputerPartition object, one of those in a document.
func readPartition(c *Client, natives *marshal.Natives, o *marshal.Object) (*snapshot, error) {
	s := &snapshot{
		computerID:   textOf(o, "_computer_id"),
		partitionID:  textOf(o, "_partition_id"),
		guid:         textOf(o, "_instance_guid"),
		state:        State(textOf(o, "_requested_state")),
		accessStatus: textOf(o, "_access_status"),
	}
	if s.computerID == "" || s.partitionID == "" {
		return nil, errors.New("the partition has no identifier")
	}
	if v, ok := o.Get("_need_modification"); ok {
		s.needModification = marshal.Truth(v)
	}
	if v, ok := o.Get("_software_release_document"); ok {
		s.release = readRelease(c, v, s.computerID)
	}
	return s, s.readDictionaries(natives, o)
}

// readInstance reads a SoftwareInstance object: the answer of a request.
func readInstance(c *Client, o *marshal.Object, r Request) (*snapshot, error) {
	s := &snapshot{
		computerID:   textOf(o, "slap_computer_id"),
		partitionID:  textOf(o, "slap_computer_partition_id"),
		guid:         textOf(o, "_instance_guid"),
		state:        State(textOf(o, "_requested_state")),
		accessStatus: textOf(o, "_access_status"),
	}
	if o.Class == marshal.ClassComputerPartition {
		// The stand-alone master answers so for instances of other masters
		// and for front ends it makes up, which are on no computer.
		if err := s.readIdentity(o); err != nil {
			return nil, err
		}
	} else if s.computerID == "" || s.partitionID == "" {
		return nil, fmt.Errorf("the instance %q has no computer or no partition", r.Reference)
	}
	// A shared instance has no state of its own in the answer of the
	// stand-alone master: it has the one that was asked for.
	if s.state == "" && r.Shared {
		s.state = r.State
		if s.state == "" {
			s.state = StateStarted
		}
	}
	release := textOf(o, "slap_software_release_url")
	if release == "" {
		release = r.SoftwareRelease
	}
	s.release = readRelease(c, release, s.computerID)
	var natives marshal.Natives
	var err error
	if s.attributes, err = attributesOf(&natives, o); err != nil {
		return nil, err
	}
	return s, s.readDictionaries(&natives, o)
}

// readIdentity takes the identifiers from the attributes of a partition.
func (s *snapshot) readIdentity(o *marshal.Object) error {
	if s.computerID == "" {
		s.computerID = textOf(o, "_computer_id")
	}
	if s.partitionID == "" {
		s.partitionID = textOf(o, "_partition_id")
	}
	if s.partitionID == "" {
		return notReady("request", "the other master has not allocated the instance yet")
	}
	return nil
}

func (s *snapshot) readDictionaries(natives *marshal.Natives, o *marshal.Object) error {
	get := func(name string) any {
		v, _ := o.Get(name)
		return v
	}
	var err error
	if s.parameters, err = parametersOf(natives, get("_parameter_dict")); err != nil {
		return err
	}
	if s.filter, err = parametersOf(natives, get("_filter_dict")); err != nil {
		return err
	}
	s.connection, err = connectionOf(natives, get("_connection_dict"), get("connection_xml"))
	return err
}

// authorization returns the header value that names the partition a call is
// made for.
func (s *snapshot) authorization() string {
	return fmt.Sprintf("X-SlapPartition computer_id=%s, computer_partition_id=%s",
		orNone(s.computerID), orNone(s.partitionID))
}

// known returns a value, or ErrNotReady if it is empty.
func (s *snapshot) known(name, value string) (string, error) {
	switch {
	case value != "":
		return value, nil
	case s.partitionID == "":
		return "", notReady("partition", "the %s is not known yet", name)
	case s.release == nil:
		return "", notReady("partition", "the %s of partition %s is not known: it was not read, or is free", name, s.partitionID)
	}
	return "", notReady("partition", "the master has not told the %s of partition %s", name, s.partitionID)
}
