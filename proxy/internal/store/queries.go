package store

// query numbers a prepared statement.
type query int

const (
	qSavepoint query = iota
	qRollbackTo
	qRelease
	qComputer
	qComputers
	qSoftware
	qSoftwareByURL
	qPartitions
	qShownPartitions
	qPartition
	qByInstance
	qFind
	qTitled
	qMembers
	qRoots
	qRootsTitled
	qChildren
	qUnlinked
	qFirstFree
	qHost
	qHostTyped
	qHostAt
	qHostTypedAt
	qAddresses
	qAddressesOfComputer
	qSharedOfHost
	qSharedOfHostBut
	qSharedOfHosts
	qShownShared
	qShared
	qSharedByKey
	qSharedOfTree
	qSharedOf
	qUnlinkedShared
	qAllShared
	qEachRoot
	qEachRootTitled
	qShownToRoots
	qShownToRootsTitled
	qSharedServices
	qUsageReports
	qAllUsageReports
	qForwarded
	qSetting
	qFrontEnd
	qFrontEndOf
	qCountPartitions
	qCountInstances
	qCountShared
	qCountSoftware
	qComputerSize
	qInsertComputer
	qFormatComputer
	qSaveComputerStatus
	qInsertSoftware
	qSaveSoftwareStatus
	qMoveSoftware
	qDeleteSoftware
	qInsertPartition
	qDeletePartition
	qDeleteAddresses
	qInsertAddress
	qSaveHidden
	qOccupy
	qVacate
	qInsertInstance
	qSaveInstance
	qSaveStatus
	qDeleteInstance
	qSaveTimestamp
	qRenameTree
	qRenameSharedTree
	qInsertShared
	qSaveShared
	qNextPosition
	qUsageVersion
	qInsertUsageReport
	qSaveForwarded
	qDeleteForwarded
	qSaveSetting
	qSaveFrontEnd
	qDeleteFrontEnd
	qPruneUsage
	qPruneSoftware
	qPruneInstanceErrors
	qPruneInstanceBangs
	qPruneShared
	qPruneComputers
	queryCount
)

const statusColumns = "status_text, status_state, status_reporter, status_at, status_since"

const (
	computerState   = "SELECT id, reference, address, netmask, formatted, sequence, " + statusColumns + ", bang_text, bang_at "
	computerColumns = computerState + "FROM computer "

	softwareState = "SELECT s.id, s.computer_id, c.reference, s.url, s.state, " +
		"s.status_text, s.status_state, s.status_reporter, s.status_at, s.status_since, s.error_text, s.error_at "
	fromSoftware    = "FROM software s JOIN computer c ON c.id = s.computer_id "
	softwareColumns = softwareState + fromSoftware

	instanceState = "i.id, i.title, i.tree, i.requester_id, rp.reference, i.software_release, i.software_type, i.state, " +
		"i.parameters, i.connection, i.filter, i.unlinked_at, " +
		"i.status_text, i.status_state, i.status_reporter, i.status_at, i.status_since, "

	partitionState   = "SELECT p.id, p.computer_id, c.reference, p.reference, p.timestamp, p.hidden, " + instanceState
	partitionColumns = partitionState + "i.error_text, i.error_at, i.bang_text, i.bang_at "
	// Errors may be long, and nodes are not told them.
	shownPartition = partitionState + "'', 0.0, '', 0.0 "

	requesterJoin = "LEFT JOIN instance ri ON ri.id = i.requester_id LEFT JOIN partition rp ON rp.id = ri.partition_id "

	// fromPartition starts at partitions, free or not; fromInstance at
	// instances.
	fromPartition = "FROM partition p JOIN computer c ON c.id = p.computer_id LEFT JOIN instance i ON i.partition_id = p.id " + requesterJoin
	fromInstance  = "FROM instance i JOIN partition p ON p.id = i.partition_id JOIN computer c ON c.id = p.computer_id " + requesterJoin

	sharedState = "SELECT s.id, s.computer_id, c.reference, s.reference, s.tree, s.host_id, hp.reference, " +
		"s.requester_id, rp.reference, rc.reference, s.state, s.listed, s.position, s.software_type, s.entry, s.connection, s.unlinked_at, " +
		"s.status_text, s.status_state, s.status_reporter, s.status_at, s.status_since, "
	sharedColumns = sharedState + "s.error_text, s.error_at " + fromShared
	shownShared   = sharedState + "'', 0.0 " + fromShared
	fromShared    = "FROM shared_instance s JOIN computer c ON c.id = s.computer_id " +
		"JOIN instance h ON h.id = s.host_id JOIN partition hp ON hp.id = h.partition_id " +
		"LEFT JOIN instance ri ON ri.id = s.requester_id LEFT JOIN partition rp ON rp.id = ri.partition_id " +
		"LEFT JOIN computer rc ON rc.id = rp.computer_id "

	shownToRoots = "SELECT s.host_id, s.entry FROM instance h JOIN shared_instance s ON s.host_id = h.id " +
		"WHERE h.tree = '' AND s.listed = 1 "

	usageColumns = "SELECT u.id, c.reference, u.reference, u.version, u.body, u.received_at " +
		"FROM usage_report u JOIN computer c ON c.id = u.computer_id "

	hosts      = partitionColumns + fromInstance + "WHERE i.computer_id = $1 AND i.software_release = $2 "
	unhidden   = "AND p.hidden = 0 "
	firstByRow = "ORDER BY i.partition_id LIMIT 1"
)

// queries holds the text of every statement. Parameters are written $1, $2 so
// that SQLite and PostgreSQL read them alike.
var queries = [queryCount]string{
	qSavepoint:  "SAVEPOINT one_update",
	qRollbackTo: "ROLLBACK TO one_update",
	qRelease:    "RELEASE one_update",

	qComputer:  computerColumns + "WHERE reference = $1",
	qComputers: computerColumns + "ORDER BY sequence, id",

	qSoftware:      softwareColumns + "WHERE s.computer_id = $1 ORDER BY s.id",
	qSoftwareByURL: softwareColumns + "WHERE s.computer_id = $1 AND s.url = $2",

	qPartitions:      partitionColumns + fromPartition + "WHERE p.computer_id = $1 ORDER BY p.id",
	qShownPartitions: shownPartition + fromPartition + "WHERE p.computer_id = $1 " + unhidden + "ORDER BY p.id",
	qPartition:       partitionColumns + fromPartition + "WHERE c.reference = $1 AND p.reference = $2",
	qByInstance:      partitionColumns + fromInstance + "WHERE i.id = $1",
	qFind:            partitionColumns + fromInstance + "WHERE i.title = $1 AND i.tree = $2 ORDER BY i.partition_id LIMIT 1",
	qTitled:          partitionColumns + fromInstance + "WHERE i.title = $1 ORDER BY i.partition_id LIMIT 1",
	qMembers:         partitionColumns + fromInstance + "WHERE i.tree = $1 ORDER BY i.partition_id",
	qRoots:           partitionColumns + fromInstance + "WHERE i.tree = '' ORDER BY i.partition_id",
	qRootsTitled:     partitionColumns + fromInstance + "WHERE i.tree = '' AND i.title = $1 ORDER BY i.partition_id",
	qChildren:        partitionColumns + fromInstance + "WHERE i.requester_id = $1 ORDER BY i.partition_id",
	qUnlinked:        partitionColumns + fromInstance + "WHERE i.unlinked_at > 0 AND i.unlinked_at < $1 ORDER BY i.partition_id",
	qFirstFree: "SELECT p.id, p.reference, p.timestamp FROM partition p " +
		"WHERE p.computer_id = $1 AND p.busy = 0 ORDER BY p.id LIMIT 1",
	qHost:        hosts + unhidden + firstByRow,
	qHostTyped:   hosts + unhidden + "AND i.software_type = $3 " + firstByRow,
	qHostAt:      hosts + "AND p.reference = $3 " + firstByRow,
	qHostTypedAt: hosts + "AND i.software_type = $3 AND p.reference = $4 " + firstByRow,

	qAddresses: "SELECT partition_id, interface, address, netmask, gateway, network FROM address WHERE partition_id = $1 ORDER BY id",
	qAddressesOfComputer: "SELECT a.partition_id, a.interface, a.address, a.netmask, a.gateway, a.network FROM address a " +
		"JOIN partition p ON p.id = a.partition_id WHERE p.computer_id = $1 ORDER BY a.id",

	qSharedOfHost:    sharedColumns + "WHERE s.host_id = $1 AND s.listed = 1 ORDER BY s.position",
	qSharedOfHostBut: sharedColumns + "WHERE s.host_id = $1 AND s.state <> $2 ORDER BY s.position",
	qSharedOfHosts:   sharedColumns + "WHERE s.computer_id = $1 AND s.listed = 1 ORDER BY s.position",
	qShownShared:     shownShared + "WHERE s.computer_id = $1 AND s.listed = 1 ORDER BY s.position",
	qShared:          sharedColumns + "WHERE s.reference = $1 AND s.computer_id = $2",
	qSharedByKey:     sharedColumns + "WHERE s.reference = $1 ORDER BY s.id",
	qSharedOfTree:    sharedColumns + "WHERE s.tree = $1 ORDER BY s.id",
	qUnlinkedShared:  sharedColumns + "WHERE s.unlinked_at > 0 AND s.unlinked_at < $1 ORDER BY s.id",
	qSharedOf:        sharedColumns + "WHERE s.requester_id = $1 ORDER BY s.id",
	qAllShared:       sharedColumns + "ORDER BY s.id",

	qEachRoot:           rootColumns + "WHERE i.tree || '' = '' ORDER BY i.partition_id",
	qEachRootTitled:     rootColumns + "WHERE i.tree = '' AND i.title = $1 ORDER BY i.partition_id",
	qShownToRoots:       shownToRoots + "ORDER BY s.position",
	qShownToRootsTitled: shownToRoots + "AND h.title = $1 ORDER BY s.position",
	qSharedServices: "SELECT s.reference, h.software_release FROM shared_instance s JOIN instance h ON h.id = s.host_id " +
		"WHERE s.tree = '' AND s.listed = 1 ORDER BY s.id",

	qUsageReports:    usageColumns + "WHERE u.computer_id = $1 ORDER BY u.id",
	qAllUsageReports: usageColumns + "ORDER BY u.id",

	qForwarded: "SELECT reference, master_url FROM forwarded_request ORDER BY id",
	qSetting:   "SELECT value FROM setting WHERE name = $1",

	qFrontEnd:   "SELECT reference, requester_id, origin FROM front_end WHERE reference = $1",
	qFrontEndOf: "SELECT reference, requester_id, origin FROM front_end WHERE origin = $1 ORDER BY id LIMIT 1",

	qCountPartitions: "SELECT COUNT(*), COALESCE(SUM(busy), 0) FROM partition",
	qCountInstances:  countColumns + "FROM instance" + countGroups,
	qCountShared:     countColumns + "FROM shared_instance" + countGroups,
	qCountSoftware:   countColumns + "FROM software" + countGroups,

	qComputerSize: "SELECT " + sizeColumns + " FROM computer WHERE id = $1",

	qInsertComputer: "INSERT INTO computer (reference, sequence) VALUES ($1, 0) RETURNING id",
	qFormatComputer: "UPDATE computer SET address = $2, netmask = $3, formatted = 1, " +
		"sequence = (SELECT COALESCE(MAX(sequence), 0) + 1 FROM computer) WHERE id = $1",
	qSaveComputerStatus: "UPDATE computer SET status_text = $2, status_state = $3, status_reporter = $4, status_at = $5, status_since = $6, " +
		"bang_text = $7, bang_at = $8 WHERE id = $1",

	qInsertSoftware: "INSERT INTO software (computer_id, url, state, " + statusColumns + ", error_text, error_at) " +
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id",
	qSaveSoftwareStatus: "UPDATE software SET status_text = $2, status_state = $3, status_reporter = $4, status_at = $5, status_since = $6, " +
		"error_text = $7, error_at = $8 WHERE id = $1",
	qMoveSoftware:   "UPDATE software SET url = $2 WHERE id = $1",
	qDeleteSoftware: "DELETE FROM software WHERE id = $1",

	qInsertPartition: "INSERT INTO partition (computer_id, reference) VALUES ($1, $2) RETURNING id",
	qDeletePartition: "DELETE FROM partition WHERE id = $1",
	qDeleteAddresses: "DELETE FROM address WHERE partition_id = $1",
	qInsertAddress:   "INSERT INTO address (partition_id, interface, address, netmask, gateway, network) VALUES ($1, $2, $3, $4, $5, $6)",
	qSaveHidden:      "UPDATE partition SET hidden = $2 WHERE id = $1",
	qOccupy:          "UPDATE partition SET busy = 1, timestamp = $2 WHERE id = $1",
	qVacate:          "UPDATE partition SET busy = 0 WHERE id = $1",
	qSaveTimestamp:   "UPDATE partition SET timestamp = $2 WHERE id = $1",

	qInsertInstance: "INSERT INTO instance (partition_id, computer_id, title, tree, requester_id, software_release, software_type, state, " +
		"parameters, connection, filter) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id",
	qSaveInstance: "UPDATE instance SET title = $2, tree = $3, requester_id = $4, software_release = $5, software_type = $6, state = $7, " +
		"parameters = $8, connection = $9, filter = $10, unlinked_at = $11 WHERE id = $1",
	qSaveStatus: "UPDATE instance SET status_text = $2, status_state = $3, status_reporter = $4, status_at = $5, status_since = $6, " +
		"error_text = $7, error_at = $8, bang_text = $9, bang_at = $10 WHERE id = $1",
	qDeleteInstance: "DELETE FROM instance WHERE id = $1",

	qRenameTree:       "UPDATE instance SET tree = $2 WHERE tree = $1",
	qRenameSharedTree: "UPDATE shared_instance SET tree = $2 WHERE tree = $1",

	qInsertShared: "INSERT INTO shared_instance (computer_id, reference, tree, host_id, requester_id, state, listed, position, " +
		"software_type, entry, connection) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id",
	qSaveShared: "UPDATE shared_instance SET tree = $2, host_id = $3, requester_id = $4, state = $5, listed = $6, position = $7, " +
		"software_type = $8, entry = $9, connection = $10, status_text = $11, status_state = $12, status_reporter = $13, " +
		"status_at = $14, status_since = $15, error_text = $16, error_at = $17, unlinked_at = $18 WHERE id = $1",
	qNextPosition: "SELECT COALESCE(MAX(position), 0) + 1 FROM shared_instance",

	qUsageVersion: "SELECT COALESCE(MAX(version), 0), COALESCE(MAX(CASE WHEN digest = $3 THEN version END), 0) " +
		"FROM usage_report WHERE computer_id = $1 AND reference = $2",
	qInsertUsageReport: "INSERT INTO usage_report (computer_id, reference, version, digest, body, received_at) " +
		"VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",

	qSaveForwarded:   "INSERT INTO forwarded_request (reference, master_url) VALUES ($1, $2) ON CONFLICT DO NOTHING",
	qDeleteForwarded: "DELETE FROM forwarded_request WHERE reference = $1 AND master_url = $2",
	qSaveSetting:     "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
	qSaveFrontEnd: "INSERT INTO front_end (reference, requester_id, origin) VALUES ($1, $2, $3) " +
		"ON CONFLICT (reference) DO UPDATE SET requester_id = excluded.requester_id, origin = excluded.origin",
	qDeleteFrontEnd: "DELETE FROM front_end WHERE reference = $1",

	// A report that came before one that stays has a place in its versions.
	qPruneUsage: "DELETE FROM usage_report WHERE received_at < $1 AND NOT EXISTS (SELECT 1 FROM usage_report k " +
		"WHERE k.computer_id = usage_report.computer_id AND k.reference = usage_report.reference " +
		"AND k.version < usage_report.version AND k.received_at >= $1)",
	qPruneSoftware:       "UPDATE software SET error_text = '', error_at = 0 WHERE error_at > 0 AND error_at < $1",
	qPruneInstanceErrors: "UPDATE instance SET error_text = '', error_at = 0 WHERE error_at > 0 AND error_at < $1",
	qPruneInstanceBangs:  "UPDATE instance SET bang_text = '', bang_at = 0 WHERE bang_at > 0 AND bang_at < $1",
	qPruneShared:         "UPDATE shared_instance SET error_text = '', error_at = 0 WHERE error_at > 0 AND error_at < $1",
	qPruneComputers:      "UPDATE computer SET bang_text = '', bang_at = 0 WHERE bang_at > 0 AND bang_at < $1",
}
