//go:build !unix

package testpeer

import (
	"context"
	"errors"
)

func lock(context.Context, string) (func(), error) {
	return nil, errors.New("the reference runs on Unix only")
}

func checkOwned(string) error { return nil }
