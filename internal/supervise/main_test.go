package supervise

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/slapos/slapos-go/internal/testpeer"
)

// talkVariable makes that daemon print its log as well.
const talkVariable = "SUPERVISE_TEST_TALK"

// daemonVariable makes the test binary a daemon of the configuration it names.
const daemonVariable = "SUPERVISE_TEST_DAEMON"

func TestMain(m *testing.M) {
	if file := os.Getenv(daemonVariable); file != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
		defer stop()
		options := Options{ConfigFile: file}
		if os.Getenv(talkVariable) != "" {
			options.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
		}
		if err := Run(ctx, options); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(testpeer.Settled{M: m})
}
