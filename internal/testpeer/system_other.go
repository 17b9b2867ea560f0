//go:build !unix

package testpeer

import (
	"context"
	"errors"
	"syscall"
)

func lock(context.Context, string) (func(), error) {
	return nil, errors.New("the reference runs on Unix only")
}

func checkOwned(string) error { return nil }

func ownSession() *syscall.SysProcAttr { return nil }
