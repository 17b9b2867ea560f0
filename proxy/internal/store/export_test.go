package store

import (
	"context"
	"fmt"
	"strings"
)

// OlderPostgres are the statements that make an older schema.
func OlderPostgres(version int) string {
	return postgresOwn + postgresTypes.Replace(strings.Join(migrations[:version], "")) +
		fmt.Sprintf("UPDATE %s SET version = %d;", postgresMark, version)
}

// Setting returns a setting of the connection that writes.
func (p *Postgres) Setting(ctx context.Context, name string) (value string, err error) {
	err = p.write.QueryRowContext(ctx, "SELECT current_setting($1)", name).Scan(&value)
	return value, err
}
