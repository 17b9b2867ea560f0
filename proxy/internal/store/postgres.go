package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// IsPostgres tells whether a database is named by an address of PostgreSQL
// rather than by the path of a file.
func IsPostgres(database string) bool {
	return strings.HasPrefix(database, "postgres://") || strings.HasPrefix(database, "postgresql://")
}

// NameOf names a database in texts: its path, or its address without what may be
// secret.
func NameOf(database string) string {
	if !IsPostgres(database) {
		return database
	}
	config, err := pgx.ParseConfig(database)
	if err != nil {
		return "a PostgreSQL database"
	}
	return nameOf(config)
}

func nameOf(config *pgx.ConnConfig) string {
	name := config.Database
	if name == "" {
		name = config.User
	}
	return "PostgreSQL database " + name + " on " + config.Host
}

// Limits of what is done on a server, so that one that hangs, or another proxy
// that does, keeps nobody for ever.
const (
	connectTimeout = 10 * time.Second
	// workTimeout bounds a transaction.
	workTimeout = 60 * time.Second
	// sessionSettings are those of each connection. A proxy that stops in the
	// middle of an update gives way to the others; a commit is durable when it is
	// answered, on more servers than one if the server is set so.
	sessionSettings = "SET idle_in_transaction_session_timeout = '30s'; SET lock_timeout = '45s'; " +
		"SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
	// attempts is how often a transaction is begun whose connection turns out to
	// be dead.
	attempts = 3
)

// Postgres is a Store in a PostgreSQL database, which several processes may serve.
//
// Updates of all processes run one after the other: each batch of them holds the
// lock of one row from its begin to its end, and sees all that was committed
// before it has the lock. Two updates can therefore not come into conflict, and
// none is run twice.
type Postgres struct {
	*commits
	*PostgresViewer

	write   *sql.DB
	writing statements
	changes *changes
	once    sync.Once
}

var (
	_ Store      = (*Postgres)(nil)
	_ Observable = (*Postgres)(nil)
)

// OpenPostgres opens a database by its address, as libpq reads it: what is not in
// it comes from the environment, the file of passwords and the file of services.
// The tables are created if there are none. The errors are those of Open, except
// ErrReference and ErrInUse; they never hold the address, which may have a
// password.
func OpenPostgres(ctx context.Context, address string) (*Postgres, error) {
	config, err := postgresConfig(address)
	if err != nil {
		return nil, err
	}
	p := &Postgres{PostgresViewer: newPostgresViewer(config), write: postgresPool(config, 1)}
	p.changes = newChanges(p.db)
	if err := p.open(ctx); err != nil {
		return nil, errors.Join(p.named(explainPostgres(err)), p.closePools())
	}
	p.commits = startCommits(p.transact)
	return p, nil
}

func (p *Postgres) open(ctx context.Context) (err error) {
	if err := migratePostgres(ctx, p.write); err != nil {
		return err
	}
	if p.writing, err = prepareAll(ctx, p.write); err != nil {
		return err
	}
	if p.statements, err = prepareAll(ctx, p.db); err != nil {
		return err
	}
	return p.changes.start(ctx)
}

func postgresConfig(address string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		// The error may quote a part of the password.
		return nil, errors.New("the address of the PostgreSQL database cannot be read, or a file that it names: " +
			"it is postgres://user@host:5432/database, with characters other than letters and digits of user and password " +
			"in percent encoding, and parameters such as ?sslmode=verify-full&sslrootcert=/path")
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "slapos proxy"
	}
	config.RuntimeParams["client_encoding"] = "UTF8"
	return config, nil
}

func postgresPool(config *pgx.ConnConfig, connections int) *sql.DB {
	db := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, sessionSettings)
		return err
	}))
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db
}

// begin begins a transaction and runs its first statements, again if the
// connection turns out to be dead: the server may have been restarted since it was
// used last.
func begin(ctx context.Context, db *sql.DB, o *sql.TxOptions, first func(*sql.Tx) error) (*sql.Tx, error) {
	for attempt := 1; ; attempt++ {
		tx, err := db.BeginTx(ctx, o)
		if err == nil {
			if err = first(tx); err == nil {
				return tx, nil
			}
			_ = tx.Rollback() //nolint:errcheck // nothing was written
		}
		if attempt == attempts || ctx.Err() != nil || !isLost(err) {
			return nil, err
		}
	}
}

// transact runs a batch in one transaction.
func (p *Postgres) transact(batch []*update) error {
	ctx, cancel := context.WithTimeout(context.Background(), workTimeout)
	defer cancel()
	tx, err := begin(ctx, p.write, &sql.TxOptions{Isolation: sql.LevelReadCommitted}, func(tx *sql.Tx) error {
		version, err := lockSchema(ctx, tx)
		if err == nil && version != SchemaVersion {
			err = newer(version)
		}
		return err
	})
	if err != nil {
		return p.failure(err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it has no effect
	changed, err := runAll(ctx, tx, p.writing, batch, p.failure)
	if err == nil {
		err = noteChanges(ctx, tx, changed)
	}
	if err == nil {
		err = commitUpdates(tx)
	}
	return p.failure(err)
}

// commitUpdates commits. A commit that is neither confirmed nor refused by the
// server may have been made.
func commitUpdates(tx *sql.Tx) error {
	err := tx.Commit()
	if err != nil && serverError(err) == nil {
		return fmt.Errorf("%w: %w", ErrUncertain, err)
	}
	return err
}

// Version implements Store. It asks the database.
func (p *Postgres) Version(ctx context.Context, computer, partition string) (uint64, error) {
	version, err := p.changes.version(ctx, place{computer, partition})
	return version, p.failure(err)
}

// Close implements Store.
func (p *Postgres) Close() error {
	var err error
	p.once.Do(func() {
		p.stop()
		err = p.closePools()
	})
	return err
}

func (p *Postgres) closePools() error {
	p.changes.stop()
	return errors.Join(p.write.Close(), p.PostgresViewer.Close())
}

// PostgresViewer reads a PostgreSQL database.
type PostgresViewer struct {
	name       string
	db         *sql.DB
	statements statements
}

func newPostgresViewer(config *pgx.ConnConfig) *PostgresViewer {
	return &PostgresViewer{
		name: nameOf(config),
		db:   postgresPool(config, max(4, 2*runtime.GOMAXPROCS(0))),
	}
}

// OpenPostgresViewer opens a database that a proxy has used, for reading only.
func OpenPostgresViewer(ctx context.Context, address string) (*PostgresViewer, error) {
	config, err := postgresConfig(address)
	if err != nil {
		return nil, err
	}
	v := newPostgresViewer(config)
	if err := v.open(ctx); err != nil {
		return nil, errors.Join(v.named(explainPostgres(err)), v.db.Close())
	}
	return v, nil
}

func (v *PostgresViewer) open(ctx context.Context) error {
	version, err := identifyPostgres(ctx, v.db)
	switch {
	case err != nil:
		return err
	case version == 0:
		return fmt.Errorf("%w: it is empty, no proxy has served it yet", ErrForeign)
	case version < SchemaVersion:
		return unmigrated(version)
	}
	v.statements, err = prepareAll(ctx, v.db)
	return err
}

// View implements Store.
func (v *PostgresViewer) View(ctx context.Context, f func(Reader) error) error {
	bounded, cancel := context.WithTimeout(ctx, workTimeout)
	defer cancel()
	err := v.view(bounded, f)
	if err != nil && ctx.Err() != nil {
		return ctx.Err() // not the fault of the server
	}
	return v.failure(err)
}

func (v *PostgresViewer) view(ctx context.Context, f func(Reader) error) error {
	snapshot := &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	tx, err := begin(ctx, v.db, snapshot, func(*sql.Tx) error { return nil })
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	return f(&reader{ctx: ctx, tx: tx, statements: v.statements})
}

// Check implements Store. The files are the server's to check.
func (v *PostgresViewer) Check(ctx context.Context) error {
	return v.failure(checkInvariants(ctx, v.db))
}

// Close closes the database.
func (v *PostgresViewer) Close() error { return v.db.Close() }

// failure names the database in errors that are its own.
func (v *PostgresViewer) failure(err error) error {
	explained := explainPostgres(err)
	if errors.Is(explained, ErrUnavailable) && !errors.Is(err, ErrUnavailable) {
		return v.named(explained)
	}
	return explained
}

func (v *PostgresViewer) named(err error) error { return fmt.Errorf("%s: %w", v.name, err) }
