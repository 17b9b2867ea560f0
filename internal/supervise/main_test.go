package supervise

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// daemonVariable makes the test binary a daemon of the configuration it names.
const daemonVariable = "SUPERVISE_TEST_DAEMON"

func TestMain(m *testing.M) {
	if file := os.Getenv(daemonVariable); file != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
		defer stop()
		if err := Run(ctx, Options{ConfigFile: file}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}
