package proxy

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// This file serves the searches of /hateoas: web.md section 3.

// foundRoot has the columns of the reference's table of partitions, in the order of
// their names.
type foundRoot struct {
	Computer      string          `json:"computer_reference"`
	Connection    any             `json:"connection_xml"`
	Name          any             `json:"partition_reference"`
	Reference     string          `json:"reference"`
	Address       string          `json:"relative_url"`
	RequestedBy   string          `json:"requested_by"`
	State         string          `json:"requested_state"`
	Requester     string          `json:"requester_id"`
	PartitionHas  string          `json:"slap_state"`
	Hosted        any             `json:"slave_instance_list"`
	Release       string          `json:"software_release"`
	Type          string          `json:"software_type"`
	Timestamp     json.RawMessage `json:"timestamp"`
	Title         any             `json:"title"`
	ReleaseAgain  string          `json:"url_string"`
	ParameterText string          `json:"xml"`
}

// foundShared tells of a shared instance.
type foundShared struct {
	Address string `json:"relative_url"`
	Title   string `json:"title"`
	Release string `json:"url_string"`
}

// foundComputer tells of a computer.
type foundComputer struct {
	IP        any    `json:"address"`
	Netmask   any    `json:"netmask"`
	Reference string `json:"reference"`
	Address   string `json:"relative_url"`
	Title     string `json:"title"`
}

// search answers the queries of the clients of both generations.
func (m *master) search(ctx context.Context, query, base string, rows *contents) error {
	parts := hateoasQuery.FindStringSubmatch(query)
	if parts == nil {
		return badRequest("Unhandled query: %s", query)
	}
	kind, key := parts[1], parts[2]
	trees := kind == "Instance Tree" || kind == "Hosting Subscription"
	computers := kind == "Compute Node" || kind == "Computer"
	if !trees && !computers || trees && key == "reference" || computers && key == "title" {
		return badRequest("Unhandled query: %s", query)
	}
	value := ""
	if key != "" {
		quoted := parts[3]
		if len(quoted) < 2 || quoted[0] != '"' || quoted[len(quoted)-1] != '"' || strings.Count(quoted, `"`) != 2 {
			return badRequest("Unhandled query: %s", query)
		}
		value = quoted[1 : len(quoted)-1]
	}
	return m.store.View(ctx, func(r store.Reader) error {
		if computers {
			return addComputers(r, rows, value, base)
		}
		return addServices(r, rows, value, key != "", base)
	})
}

func addComputers(r store.Reader, rows *contents, reference, base string) error {
	computers, err := r.Computers()
	if err != nil {
		return err
	}
	for _, c := range computers {
		if !c.Formatted || reference != "" && c.Reference != reference {
			continue
		}
		err := rows.add(foundComputer{
			IP: textOrNull(c.Address), Netmask: textOrNull(c.Netmask), Reference: c.Reference,
			Address: base + "computers/" + url.PathEscape(c.Reference), Title: c.Reference,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// addServices lists the roots of trees and the shared instances that nobody's
// instance requested; by title, a shared one only if there is no root. An empty
// title is any. Of a large cluster no more than a row is held besides the answer.
func addServices(r store.Reader, rows *contents, title string, filtered bool, base string) error {
	shown, err := r.ShownToRoots(title)
	if err != nil {
		return err
	}
	err = r.EachRoot(title, func(root store.Root) error {
		hosted, err := hostedText(shown[root.ID])
		if err != nil {
			return err
		}
		return rows.add(foundRoot{
			Computer: root.Computer, Connection: textOrNull(root.Connection), Name: textOrNull(root.Title), Reference: root.Partition,
			Address: base + "partitions/" + url.PathEscape(root.Title), State: root.State, Requester: requesterName(root.RequesterPartition),
			PartitionHas: "busy", Hosted: hosted, Release: root.Release, Type: root.Type,
			Timestamp: json.RawMessage(marshal.FloatText(root.Timestamp)),
			Title:     textOrNull(root.Title), ReleaseAgain: root.Release, ParameterText: root.Parameters,
		})
	})
	if err != nil || filtered && rows.count > 0 {
		return err
	}
	return r.EachSharedService(func(key, release string) error {
		name := strings.TrimPrefix(key, "_")
		if title != "" && name != title {
			return nil
		}
		return rows.add(foundShared{Address: base + "shared/" + url.PathEscape(name), Title: name, Release: release})
	})
}

// hostedText is a slave_instance_list as text, null without entries.
func hostedText(entries []string) (any, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	list := marshal.NewList()
	for _, text := range entries {
		entry, err := storedDict(text)
		if err != nil {
			return nil, err
		}
		list.Items = append(list.Items, entry)
	}
	text, err := marshal.Marshal(list)
	return string(text), err
}
