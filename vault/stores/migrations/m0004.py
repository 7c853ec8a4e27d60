"""Step 4: incidents, holds, blocked principals, re-issues, exchanges, and what a job keeps of its orders and progress.

It adds tables, and two columns that are NULL in the rows of the releases before, which neither read nor miss them. A
release before this one knows no hold: stop the vaults of the old release before the first freeze.
"""

from vault.stores.migrations.step import Migration

_SQLITE = (
    """
    CREATE TABLE incident (
        incident_id BLOB NOT NULL,
        program TEXT NOT NULL,
        state INTEGER NOT NULL,
        title TEXT NOT NULL,
        scope INTEGER NOT NULL,
        batch_ids BLOB NOT NULL,
        card_count INTEGER NOT NULL,
        serials_leaked INTEGER NOT NULL,
        stops_issuance INTEGER NOT NULL,
        exchange_proof INTEGER,
        exchange_from_ms INTEGER,
        exchange_until_ms INTEGER,
        principal TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        frozen_ms INTEGER,
        thawed_ms INTEGER,
        closed_ms INTEGER,
        revision INTEGER NOT NULL,
        tag BLOB NOT NULL,
        PRIMARY KEY (incident_id)
    ) STRICT
    """,
    """
    CREATE TABLE incident_step (
        incident_id BLOB NOT NULL,
        number INTEGER NOT NULL,
        action TEXT NOT NULL,
        principal TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        count INTEGER NOT NULL,
        note TEXT NOT NULL,
        tag BLOB NOT NULL,
        PRIMARY KEY (incident_id, number)
    ) STRICT
    """,
    """
    CREATE TABLE selection (
        selection_id BLOB NOT NULL,
        card_id BLOB NOT NULL,
        program TEXT NOT NULL,
        tag BLOB NOT NULL,
        PRIMARY KEY (selection_id, card_id)
    ) STRICT
    """,
    """
    CREATE TABLE hold (
        hold_id BLOB NOT NULL,
        program TEXT NOT NULL,
        incident_id BLOB NOT NULL,
        kind INTEGER NOT NULL,
        ids BLOB NOT NULL,
        stops_issuance INTEGER NOT NULL,
        created_ms INTEGER NOT NULL,
        tag BLOB NOT NULL,
        PRIMARY KEY (hold_id)
    ) STRICT
    """,
    """
    CREATE TABLE block (
        program TEXT NOT NULL,
        principal TEXT NOT NULL,
        incident_id BLOB,
        note TEXT NOT NULL,
        blocked_by TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        tag BLOB NOT NULL,
        PRIMARY KEY (program, principal)
    ) STRICT
    """,
    """
    CREATE TABLE reissue (
        job_id BLOB NOT NULL,
        card_id BLOB NOT NULL,
        program TEXT NOT NULL,
        generation INTEGER NOT NULL,
        state INTEGER NOT NULL,
        reissued_ms INTEGER NOT NULL,
        tag BLOB NOT NULL,
        expires_ms INTEGER,
        PRIMARY KEY (job_id, card_id)
    ) STRICT
    """,
    """
    CREATE TABLE package (
        package_id BLOB NOT NULL,
        program TEXT NOT NULL,
        recipient TEXT NOT NULL,
        package_head BLOB,
        wrapped_package_key BLOB,
        manifest_entries INTEGER,
        manifest_size INTEGER,
        manifest_sha256 BLOB,
        acknowledged_ms INTEGER,
        tag BLOB NOT NULL,
        PRIMARY KEY (package_id)
    ) STRICT
    """,
    """
    CREATE TABLE sale_secret (
        program TEXT NOT NULL,
        card_id BLOB NOT NULL,
        secret_version INTEGER NOT NULL,
        sealed_secret BLOB NOT NULL,
        wrapped_secret_key BLOB NOT NULL,
        tag BLOB NOT NULL,
        PRIMARY KEY (program, card_id)
    ) STRICT
    """,
    """
    CREATE TABLE exchange (
        program TEXT NOT NULL,
        card_id BLOB NOT NULL,
        generation INTEGER NOT NULL,
        incident_id BLOB NOT NULL,
        principal TEXT NOT NULL,
        request_id BLOB NOT NULL,
        public_key BLOB NOT NULL,
        exchanged_ms INTEGER NOT NULL,
        tag BLOB NOT NULL,
        PRIMARY KEY (program, card_id, generation)
    ) STRICT
    """,
    """
    CREATE TABLE attempt (
        program TEXT NOT NULL,
        card_id BLOB NOT NULL,
        failures INTEGER NOT NULL,
        last_ms INTEGER NOT NULL,
        tag BLOB NOT NULL,
        PRIMARY KEY (program, card_id)
    ) STRICT
    """,
    """
    CREATE TABLE superseded_use (
        program TEXT NOT NULL,
        card_id BLOB NOT NULL,
        generation INTEGER NOT NULL,
        uses INTEGER NOT NULL,
        first_ms INTEGER NOT NULL,
        last_ms INTEGER NOT NULL,
        tag BLOB NOT NULL,
        PRIMARY KEY (program, card_id, generation)
    ) STRICT
    """,
    "ALTER TABLE job ADD COLUMN spec BLOB",
    "ALTER TABLE job ADD COLUMN progress BLOB",
    # ListRotationJobs and ListIncidents, newest first.
    "CREATE INDEX job_created ON job (program, created_ms, job_id)",
    "CREATE INDEX incident_created ON incident (program, created_ms, incident_id)",
    # ListHolds, and what a report counts.
    "CREATE INDEX hold_program ON hold (program, hold_id)",
    # Read with every new catalogue: what has changed, without the megabytes that precede a tag in its row.
    "CREATE INDEX hold_tag ON hold (hold_id, tag)",
    "CREATE INDEX exchange_incident ON exchange (incident_id)",
)

_POSTGRES = (
    """
    CREATE TABLE incident (
        incident_id bytea NOT NULL,
        program text COLLATE "C" NOT NULL,
        state bigint NOT NULL,
        title text COLLATE "C" NOT NULL,
        scope bigint NOT NULL,
        batch_ids bytea NOT NULL,
        card_count bigint NOT NULL,
        serials_leaked bigint NOT NULL,
        stops_issuance bigint NOT NULL,
        exchange_proof bigint,
        exchange_from_ms bigint,
        exchange_until_ms bigint,
        principal text COLLATE "C" NOT NULL,
        created_ms bigint NOT NULL,
        frozen_ms bigint,
        thawed_ms bigint,
        closed_ms bigint,
        revision bigint NOT NULL,
        tag bytea NOT NULL,
        PRIMARY KEY (incident_id)
    )
    """,
    """
    CREATE TABLE incident_step (
        incident_id bytea NOT NULL,
        number bigint NOT NULL,
        action text COLLATE "C" NOT NULL,
        principal text COLLATE "C" NOT NULL,
        at_ms bigint NOT NULL,
        count bigint NOT NULL,
        note text COLLATE "C" NOT NULL,
        tag bytea NOT NULL,
        PRIMARY KEY (incident_id, number)
    )
    """,
    """
    CREATE TABLE selection (
        selection_id bytea NOT NULL,
        card_id bytea NOT NULL,
        program text COLLATE "C" NOT NULL,
        tag bytea NOT NULL,
        PRIMARY KEY (selection_id, card_id)
    )
    """,
    """
    CREATE TABLE hold (
        hold_id bytea NOT NULL,
        program text COLLATE "C" NOT NULL,
        incident_id bytea NOT NULL,
        kind bigint NOT NULL,
        ids bytea NOT NULL,
        stops_issuance bigint NOT NULL,
        created_ms bigint NOT NULL,
        tag bytea NOT NULL,
        PRIMARY KEY (hold_id)
    )
    """,
    """
    CREATE TABLE block (
        program text COLLATE "C" NOT NULL,
        principal text COLLATE "C" NOT NULL,
        incident_id bytea,
        note text COLLATE "C" NOT NULL,
        blocked_by text COLLATE "C" NOT NULL,
        created_ms bigint NOT NULL,
        tag bytea NOT NULL,
        PRIMARY KEY (program, principal)
    )
    """,
    """
    CREATE TABLE reissue (
        job_id bytea NOT NULL,
        card_id bytea NOT NULL,
        program text COLLATE "C" NOT NULL,
        generation bigint NOT NULL,
        state bigint NOT NULL,
        reissued_ms bigint NOT NULL,
        tag bytea NOT NULL,
        expires_ms bigint,
        PRIMARY KEY (job_id, card_id)
    )
    """,
    """
    CREATE TABLE package (
        package_id bytea NOT NULL,
        program text COLLATE "C" NOT NULL,
        recipient text COLLATE "C" NOT NULL,
        package_head bytea,
        wrapped_package_key bytea,
        manifest_entries bigint,
        manifest_size bigint,
        manifest_sha256 bytea,
        acknowledged_ms bigint,
        tag bytea NOT NULL,
        PRIMARY KEY (package_id)
    )
    """,
    """
    CREATE TABLE sale_secret (
        program text COLLATE "C" NOT NULL,
        card_id bytea NOT NULL,
        secret_version bigint NOT NULL,
        sealed_secret bytea NOT NULL,
        wrapped_secret_key bytea NOT NULL,
        tag bytea NOT NULL,
        PRIMARY KEY (program, card_id)
    )
    """,
    """
    CREATE TABLE exchange (
        program text COLLATE "C" NOT NULL,
        card_id bytea NOT NULL,
        generation bigint NOT NULL,
        incident_id bytea NOT NULL,
        principal text COLLATE "C" NOT NULL,
        request_id bytea NOT NULL,
        public_key bytea NOT NULL,
        exchanged_ms bigint NOT NULL,
        tag bytea NOT NULL,
        PRIMARY KEY (program, card_id, generation)
    )
    """,
    """
    CREATE TABLE attempt (
        program text COLLATE "C" NOT NULL,
        card_id bytea NOT NULL,
        failures bigint NOT NULL,
        last_ms bigint NOT NULL,
        tag bytea NOT NULL,
        PRIMARY KEY (program, card_id)
    )
    """,
    """
    CREATE TABLE superseded_use (
        program text COLLATE "C" NOT NULL,
        card_id bytea NOT NULL,
        generation bigint NOT NULL,
        uses bigint NOT NULL,
        first_ms bigint NOT NULL,
        last_ms bigint NOT NULL,
        tag bytea NOT NULL,
        PRIMARY KEY (program, card_id, generation)
    )
    """,
    "ALTER TABLE job ADD COLUMN spec bytea",
    "ALTER TABLE job ADD COLUMN progress bytea",
    # ListRotationJobs and ListIncidents, newest first.
    "CREATE INDEX job_created ON job (program, created_ms, job_id)",
    "CREATE INDEX incident_created ON incident (program, created_ms, incident_id)",
    # ListHolds, and what a report counts.
    "CREATE INDEX hold_program ON hold (program, hold_id)",
    "CREATE INDEX exchange_incident ON exchange (incident_id)",
)

MIGRATION = Migration(
    number=4, name="0004 incidents and rotation", oldest_release="0.1.0", sqlite=_SQLITE, postgres=_POSTGRES
)
