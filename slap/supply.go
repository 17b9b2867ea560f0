package slap

import (
	"context"
	"errors"
	"fmt"
)

// Supply (ISupply) tells the master which software releases a computer offers.
type Supply struct{ client *Client }

// Supply asks for a software release on a computer (supply). State is
// StateAvailable, which the empty state stands for, or StateDestroyed; another one
// is ErrServer. An empty URL is ErrNotFound without a request. An unknown computer
// is so from a real master, while stand-alone ones take any: an empty one, which
// the documentation allows and whose name is sent as None, helps nobody there.
// Asking again changes nothing, except that a stand-alone master moves the software
// release to the end of its list.
func (s *Supply) Supply(ctx context.Context, softwareRelease, computerGUID string, state State) error {
	if state == "" {
		state = StateAvailable
	}
	if softwareRelease == "" {
		return notFound("supply", "the software release has no URL")
	}
	_, err := s.client.post(ctx, call{op: "supply", path: "supplySupply", fields: []field{
		{"url", softwareRelease},
		{"computer_id", orNone(computerGUID)},
		{"state", string(state)},
	}})
	if e, ok := errors.AsType[*Error](err); ok && errors.Is(err, ErrNotFound) {
		e.Message = fmt.Sprintf("computer %q is not known to the master", computerGUID)
	}
	return err
}
