package proxy

import (
	"fmt"
	"strings"

	"github.com/slapos/slapos-go/internal/instancexml"
	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// The objects of wire.md section 4, built from rows.

// guid is the reference of the instance in a partition.
func guid(computer, partition string) string { return computer + "-" + partition }

// computerObject is the answer about a computer, whose partitions are made one at
// a time when it is marshalled.
func computerObject(c *store.Computer, software []*store.Software, partitions []*store.Partition) *marshal.Object {
	releases, places := marshal.NewList(), marshal.NewList()
	for _, s := range software {
		o := releaseObject(s.URL, s.Computer)
		o.State.Set("_requested_state", s.State)
		if s.Status.Text != "" {
			o.State.Set("_known_state", knownState(s.Status.Text))
		}
		releases.Items = append(releases.Items, o)
	}
	for _, p := range partitions {
		places.Items = append(places.Items, marshal.Made(func() (any, error) {
			o, err := partitionObject(p)
			if err == nil && p.Instance != nil {
				o.State.Set("_access_status", statusText(p.Instance.Status, guid(p.Computer, p.Reference)))
			}
			return o, err
		}))
	}
	o := marshal.NewObject(marshal.ClassComputer, c.Reference)
	o.State.Set("_computer_id", c.Reference).Set("_computer_partition_list", places).Set("_software_release_list", releases)
	return o
}

func releaseObject(url, computer string) *marshal.Object {
	o := marshal.NewObject(marshal.ClassSoftwareRelease, url, computer)
	o.State.Set("_computer_guid", computer).Set("_software_instance_list", marshal.NewList()).Set("_software_release", url)
	return o
}

func partitionObject(p *store.Partition) (*marshal.Object, error) {
	o := marshal.NewObject(marshal.ClassComputerPartition, p.Computer, p.Reference, nil)
	o.State.Set("_computer_id", p.Computer).Set("_partition_id", p.Reference).Set("_request_dict", nil).
		Set("_instance_guid", guid(p.Computer, p.Reference))
	if p.Instance == nil {
		o.State.Set("_need_modification", 0).Set("_requested_state", "destroyed").Set("_software_release_document", nil)
		return o, nil
	}
	i := p.Instance
	parameters, err := decodeParameters(i.Parameters)
	if err != nil {
		return nil, err
	}
	connection, err := decodeParameters(i.Connection)
	if err != nil {
		return nil, err
	}
	filter := marshal.NewDict()
	if i.Filter != "" {
		if filter, err = storedDict(i.Filter); err != nil {
			return nil, err
		}
	}
	hosted, err := hostedList(p.Shared)
	if err != nil {
		return nil, err
	}
	root := i.Tree
	if root == "" {
		root = i.Title
	}
	setAddresses(parameters, p.Addresses).
		Set("full_address_list", marshal.NewList()).
		Set("slap_computer_id", p.Computer).
		Set("slap_computer_partition_id", p.Reference).
		Set("slap_software_release_url", i.Release).
		Set("slap_software_type", i.Type).
		Set("slave_instance_list", hosted).
		Set("instance_title", textOrNull(i.Title)).
		Set("root_instance_title", textOrNull(root))
	if p.Timestamp != 0 {
		parameters.Set("timestamp", marshal.FloatText(p.Timestamp))
	}
	o.State.Set("_need_modification", 1).Set("_requested_state", i.State).
		Set("_software_release_document", releaseObject(i.Release, p.Computer)).
		Set("_parameter_dict", parameters).Set("_connection_dict", connection).Set("_filter_dict", filter)
	return o, nil
}

// textOrNull turns an empty title into null: instances requested without a
// title have none.
func textOrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// addressPair is an address as an ip_list has it.
func addressPair(a store.Address) marshal.Tuple { return marshal.Tuple{a.Interface, a.Address} }

// addressLists are an ip_list, and a full_ip_list of those addresses that have a
// gateway and a netmask.
func addressLists(addresses []store.Address) (short, full *marshal.List) {
	short, full = marshal.NewList(), marshal.NewList()
	for _, a := range addresses {
		if a.Gateway == "" || a.Netmask == "" {
			short.Items = append(short.Items, addressPair(a))
			continue
		}
		full.Items = append(full.Items, marshal.Tuple{a.Interface, a.Address, a.Gateway, a.Netmask, a.Network})
	}
	return short, full
}

// setAddresses tells addresses. The reference's proxy has no full_ip_list: there is
// one only where it holds something.
func setAddresses(d *marshal.Dict, addresses []store.Address) *marshal.Dict {
	short, full := addressLists(addresses)
	d.Set("ip_list", short)
	if len(full.Items) > 0 {
		d.Set("full_ip_list", full)
	}
	return d
}

// hostedList is a slave_instance_list.
func hostedList(shared []*store.Shared) (*marshal.List, error) {
	l := marshal.NewList()
	for _, s := range shared {
		entry, err := storedDict(s.Entry)
		if err != nil {
			return nil, err
		}
		l.Items = append(l.Items, entry)
	}
	return l, nil
}

// instanceObject is the answer to a request for an instance.
func instanceObject(p *store.Partition, requestedState string) (*marshal.Object, error) {
	i := p.Instance
	parameters, err := decodeParameters(i.Parameters)
	if err != nil {
		return nil, err
	}
	parameters.Set("timestamp", marshal.FloatText(p.Timestamp))
	connection, err := decodeParameters(i.Connection)
	if err != nil {
		return nil, err
	}
	o := softwareInstance(p, parameters, connection)
	o.State.Set("_instance_guid", guid(p.Computer, p.Reference)).
		Set("_requested_state", requestedState).
		Set("connection_xml", textOrNull(i.Connection)).
		Set("slap_software_release_url", i.Release).
		Set("slap_software_type", i.Type)
	return o, nil
}

// sharedObject is the answer to a request for a shared instance on a host.
func sharedObject(host *store.Partition, s *store.Shared, parameters string) (*marshal.Object, error) {
	shown, err := decodeParameters(parameters)
	if err != nil {
		return nil, err
	}
	connection, err := decodeParameters(s.Connection)
	if err != nil {
		return nil, err
	}
	o := softwareInstance(host, shown, connection)
	o.State.Set("slap_software_release_url", host.Instance.Release).Set("slap_software_type", host.Instance.Type)
	return o, nil
}

func softwareInstance(p *store.Partition, parameters, connection *marshal.Dict) *marshal.Object {
	o := marshal.NewObject(marshal.ClassSoftwareInstance)
	o.State.Set("_connection_dict", connection).
		Set("_parameter_dict", parameters)
	setAddresses(o.State, p.Addresses).
		Set("slap_computer_id", p.Computer).
		Set("slap_computer_partition_id", p.Reference).
		Set("slap_server_url", "slap_server_url")
	return o
}

// decodeParameters reads stored instance XML; empty text has no parameters.
func decodeParameters(text string) (*marshal.Dict, error) {
	d := marshal.NewDict()
	if text == "" {
		return d, nil
	}
	parameters, err := instancexml.Decode(text)
	if err != nil {
		return nil, fmt.Errorf("stored instance XML: %w", err)
	}
	for k, v := range parameters {
		d.Set(k, v)
	}
	return d, nil
}

// storedDict reads a marshalled dictionary from the store.
func storedDict(text string) (*marshal.Dict, error) {
	v, err := marshal.Unmarshal([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("stored dictionary: %w", err)
	}
	d, ok := v.(*marshal.Dict)
	if !ok {
		return nil, fmt.Errorf("stored dictionary is a %T", v)
	}
	return d, nil
}

// firstWord returns the word before the first blank.
func firstWord(s string) string {
	word, _, _ := strings.Cut(s, " ")
	return word
}
