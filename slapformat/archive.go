package slapformat

import (
	"archive/zip"
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// archiveSuffix is added to the name of the state file.
const archiveSuffix = ".zip"

// appendToArchive returns an archive with one more entry: the state file as it was.
func appendToArchive(archive []byte, stateFile string, old []byte, at time.Time) ([]byte, error) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	if len(archive) > 0 {
		r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
		if err != nil {
			return nil, err
		}
		for _, entry := range r.File {
			if err := w.Copy(entry); err != nil {
				return nil, err
			}
		}
	}
	name := filepath.Base(stateFile) + at.Format(".20060102-15:04")
	entry, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: at})
	if err != nil {
		return nil, err
	}
	if _, err := entry.Write(old); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// definition is the text of an output definition file.
func (c *Computer) definition() []byte {
	var out bytes.Buffer
	out.WriteString("[computer]\n")
	if c.Address != nil && c.Netmask != nil {
		fmt.Fprintf(&out, "address = %s/%s\n", *c.Address, *c.Netmask)
	}
	out.WriteByte('\n')
	for i := range c.Partitions {
		p := &c.Partitions[i]
		addresses := make([]string, len(p.Addresses))
		for j, a := range p.Addresses {
			addresses[j] = a.Addr + "/" + a.Netmask
		}
		fmt.Fprintf(&out, "[partition_%d]\naddress = %s\n", i, strings.Join(addresses, " "))
		if p.Range != nil {
			fmt.Fprintf(&out, "ipv6_range = %s\n", p.Range.Network)
		}
		fmt.Fprintf(&out, "user = %s\nnetwork_interface = %s\npathname = %s\n\n", p.User, p.Tap.Name, p.Reference)
	}
	return out.Bytes()
}
