"""Step 1 as PostgreSQL speaks it. Text is compared byte by byte, whatever the database's own collation."""

STATEMENTS = (
    """
    CREATE TABLE vault (
        vault_id bytea NOT NULL,
        created_ms bigint NOT NULL,
        tag bytea NOT NULL,
        PRIMARY KEY (vault_id)
    )
    """,
    """
    CREATE TABLE catalogue (
        id bigint NOT NULL,
        number bigint NOT NULL,
        PRIMARY KEY (id)
    )
    """,
    "INSERT INTO catalogue (id, number) VALUES (1, 0)",
    """
    CREATE TABLE program (
        program text COLLATE "C" NOT NULL,
        state bigint NOT NULL,
        display_name text COLLATE "C" NOT NULL,
        code_length bigint NOT NULL,
        check_algorithm bigint NOT NULL,
        code_prefix text COLLATE "C" NOT NULL,
        max_guess_odds double precision NOT NULL,
        single_use bigint NOT NULL,
        clear_delivery bigint NOT NULL,
        activation_undo_seconds bigint NOT NULL,
        redemption_reversal_seconds bigint NOT NULL,
        created_ms bigint NOT NULL,
        revision bigint NOT NULL,
        tag bytea NOT NULL,
        PRIMARY KEY (program)
    )
    """,
    """
    CREATE TABLE key_version (
        purpose bigint NOT NULL,
        program text COLLATE "C" NOT NULL,
        version bigint NOT NULL,
        state bigint NOT NULL,
        wrapped_key bytea NOT NULL,
        public_key bytea,
        created_ms bigint NOT NULL,
        activated_ms bigint,
        deactivated_ms bigint,
        tag bytea NOT NULL,
        PRIMARY KEY (purpose, program, version)
    )
    """,
    """
    CREATE TABLE key_use (
        purpose bigint NOT NULL,
        program text COLLATE "C" NOT NULL,
        version bigint NOT NULL,
        reserved bigint NOT NULL,
        tag bytea NOT NULL,
        PRIMARY KEY (purpose, program, version)
    )
    """,
    """
    CREATE TABLE recipient (
        program text COLLATE "C" NOT NULL,
        recipient text COLLATE "C" NOT NULL,
        display_name text COLLATE "C" NOT NULL,
        public_key bytea NOT NULL,
        created_ms bigint NOT NULL,
        tag bytea NOT NULL,
        PRIMARY KEY (program, recipient)
    )
    """,
    """
    CREATE TABLE batch (
        batch_id bytea NOT NULL,
        program text COLLATE "C" NOT NULL,
        state bigint NOT NULL,
        card_count bigint NOT NULL,
        recipient text COLLATE "C" NOT NULL,
        reference text COLLATE "C" NOT NULL,
        expires_ms bigint,
        created_ms bigint NOT NULL,
        revision bigint NOT NULL,
        package_head bytea,
        wrapped_package_key bytea,
        manifest_entries bigint,
        manifest_size bigint,
        manifest_sha256 bytea,
        tag bytea NOT NULL,
        PRIMARY KEY (batch_id)
    )
    """,
    # ListBatches, newest first.
    "CREATE INDEX batch_created ON batch (program, created_ms, batch_id)",
    """
    CREATE TABLE card (
        program text COLLATE "C" NOT NULL,
        card_id bytea NOT NULL,
        batch_id bytea,
        batch_position bigint,
        state bigint NOT NULL,
        usage bigint NOT NULL,
        generation bigint NOT NULL,
        reference text COLLATE "C" NOT NULL,
        expires_ms bigint,
        created_ms bigint NOT NULL,
        activated_ms bigint,
        redeemed_ms bigint,
        redemption_id bytea,
        record_version bigint NOT NULL,
        sealed_record bytea,
        wrapped_record_key bytea,
        revision bigint NOT NULL,
        tag bytea NOT NULL,
        PRIMARY KEY (program, card_id)
    )
    """,
    # A batch's export and withdrawal go through it by position.
    "CREATE INDEX card_batch ON card (batch_id, batch_position) WHERE batch_id IS NOT NULL",
    """
    CREATE TABLE code (
        digest bytea NOT NULL,
        index_version bigint NOT NULL,
        program text COLLATE "C" NOT NULL,
        card_id bytea NOT NULL,
        generation bigint NOT NULL,
        serial text COLLATE "C" NOT NULL,
        sealed_code bytea NOT NULL,
        wrapped_code_key bytea NOT NULL,
        tag bytea NOT NULL,
        PRIMARY KEY (digest)
    )
    """,
    # A card's codes: its reveal, its export, its re-issue.
    "CREATE INDEX code_card ON code (card_id)",
    """
    CREATE TABLE serial (
        program text COLLATE "C" NOT NULL,
        serial text COLLATE "C" NOT NULL,
        card_id bytea NOT NULL,
        generation bigint NOT NULL,
        tag bytea NOT NULL,
        PRIMARY KEY (program, serial)
    )
    """,
    """
    CREATE TABLE tally (
        program text COLLATE "C" NOT NULL,
        slot bigint NOT NULL,
        live bigint NOT NULL,
        tag bytea NOT NULL,
        PRIMARY KEY (program, slot)
    )
    """,
    """
    CREATE TABLE job (
        job_id bytea NOT NULL,
        kind bigint NOT NULL,
        program text COLLATE "C" NOT NULL,
        subject bytea NOT NULL,
        state bigint NOT NULL,
        principal text COLLATE "C" NOT NULL,
        total_count bigint NOT NULL,
        done_count bigint NOT NULL,
        error_count bigint NOT NULL,
        last_error text COLLATE "C" NOT NULL,
        cursor bigint NOT NULL,
        created_ms bigint NOT NULL,
        finished_ms bigint,
        tag bytea NOT NULL,
        lease_owner bytea,
        lease_until_ms bigint NOT NULL,
        PRIMARY KEY (job_id)
    )
    """,
    # The jobs of a batch.
    "CREATE INDEX job_subject ON job (subject, created_ms, job_id)",
    # The oldest running job (state 1), however many are finished.
    "CREATE INDEX job_running ON job (created_ms, job_id) WHERE state = 1",
    """
    CREATE TABLE request (
        principal text COLLATE "C" NOT NULL,
        request_id bytea NOT NULL,
        method text COLLATE "C" NOT NULL,
        body_mac bytea NOT NULL,
        result bytea NOT NULL,
        created_ms bigint NOT NULL,
        tag bytea NOT NULL,
        PRIMARY KEY (principal, request_id)
    )
    """,
    # Sweeping the old ones.
    "CREATE INDEX request_created ON request (created_ms)",
    """
    CREATE TABLE audit_event (
        writer_id bytea NOT NULL,
        counter bigint NOT NULL,
        recorded_ms bigint NOT NULL,
        program text COLLATE "C" NOT NULL,
        event bytea NOT NULL,
        chain bytea NOT NULL,
        PRIMARY KEY (writer_id, counter)
    )
    """,
    # ListAuditEvents over all programs, and over one.
    "CREATE INDEX audit_event_recorded ON audit_event (recorded_ms, writer_id, counter)",
    "CREATE INDEX audit_event_program ON audit_event (program, recorded_ms, writer_id, counter)",
)
