package slap

import (
	"context"

	"github.com/slapos/slapos-go/internal/marshal"
)

// SoftwareRelease (ISoftwareRelease) is a software release, and where it comes
// from a computer, one that this computer has to build or to remove. It does
// not change after it was made and may be shared by goroutines.
type SoftwareRelease struct {
	client     *Client
	uri        string
	computerID string
	state      State
}

// URI returns the address of the software release (getURI).
func (r *SoftwareRelease) URI() string { return r.uri }

// ComputerID returns the computer the software release is wanted on, empty if
// it does not come from a computer (getComputerId).
func (r *SoftwareRelease) ComputerID() string { return r.computerID }

// State returns the wanted state: StateAvailable or StateDestroyed (getState).
func (r *SoftwareRelease) State() State {
	if r.state == "" {
		return StateAvailable
	}
	return r.state
}

// OnComputer returns the same software release as one of a computer, so that
// its state there can be notified.
func (r *SoftwareRelease) OnComputer(computerGUID string) *SoftwareRelease {
	copied := *r
	copied.computerID = computerGUID
	return &copied
}

// Building tells the master that the build has begun (building). This and the
// reports below are ErrNotFound, without a request, if it is not known which
// software release on which computer it is, and also if a real master does not
// have it there. Stand-alone masters ignore all but Destroyed.
func (r *SoftwareRelease) Building(ctx context.Context) error {
	return r.notify(ctx, "software release building", "buildingSoftwareRelease")
}

// Available tells the master that the software release is built (available).
func (r *SoftwareRelease) Available(ctx context.Context) error {
	return r.notify(ctx, "software release available", "availableSoftwareRelease")
}

// Destroyed tells the master that the software release was removed (destroyed),
// which then forgets it.
func (r *SoftwareRelease) Destroyed(ctx context.Context) error {
	return r.notify(ctx, "software release destroyed", "destroyedSoftwareRelease")
}

// ReportError tells the master why the build or the removal failed (error).
// Unlike the reference's, it returns its own failure.
func (r *SoftwareRelease) ReportError(ctx context.Context, log string) error {
	return r.notify(ctx, "software release error", "softwareReleaseError", field{"error_log", log})
}

func (r *SoftwareRelease) notify(ctx context.Context, op, path string, more ...field) error {
	if err := r.placed(op); err != nil {
		return err
	}
	fields := append([]field{{"url", r.uri}, {"computer_id", r.computerID}}, more...)
	_, err := r.client.post(ctx, call{op: op, path: path, fields: fields})
	return err
}

// placed fails if it is not known which software release on which computer it
// is.
func (r *SoftwareRelease) placed(op string) error {
	switch {
	case r.uri == "":
		return notFound(op, "the software release has no URL")
	case r.computerID == "":
		return notFound(op, "the software release %s belongs to no computer", r.uri)
	}
	return nil
}

// Status returns the latest status of the software release on its computer, as
// reported by Building, Available and ReportError (getSoftwareInstallationStatus
// of a real master; the stand-alone master of the reference does not offer it:
// ErrNotFound).
func (r *SoftwareRelease) Status(ctx context.Context) (Status, error) {
	const op = "software release status"
	if err := r.placed(op); err != nil {
		return Status{}, err
	}
	v, err := r.client.getValue(ctx, call{op: op, path: "getSoftwareInstallationStatus", fields: []field{
		{"url", r.uri}, {"computer_id", r.computerID},
	}})
	if err != nil {
		return Status{}, err
	}
	return readStatus(v), nil
}

// readRelease reads a SoftwareRelease object, or the plain URL that forwarding
// masters put in its place. It returns nil if there is no URL.
func readRelease(c *Client, v any, computerID string) *SoftwareRelease {
	switch v := v.(type) {
	case string:
		if v != "" {
			return &SoftwareRelease{client: c, uri: v, computerID: computerID}
		}
	case *marshal.Object:
		uri := textOf(v, "_software_release")
		if v.Class != marshal.ClassSoftwareRelease || uri == "" {
			return nil
		}
		return &SoftwareRelease{
			client:     c,
			uri:        uri,
			computerID: textOf(v, "_computer_guid"),
			state:      State(textOf(v, "_requested_state")),
		}
	}
	return nil
}
