"""Step 1 as SQLite speaks it."""

STATEMENTS = (
    """
    CREATE TABLE vault (
        vault_id BLOB NOT NULL,
        created_ms INTEGER NOT NULL,
        tag BLOB NOT NULL,
        PRIMARY KEY (vault_id)
    ) STRICT
    """,
    """
    CREATE TABLE catalogue (
        id INTEGER NOT NULL PRIMARY KEY,
        number INTEGER NOT NULL
    ) STRICT
    """,
    "INSERT INTO catalogue (id, number) VALUES (1, 0)",
    """
    CREATE TABLE program (
        program TEXT NOT NULL,
        state INTEGER NOT NULL,
        display_name TEXT NOT NULL,
        code_length INTEGER NOT NULL,
        check_algorithm INTEGER NOT NULL,
        code_prefix TEXT NOT NULL,
        max_guess_odds REAL NOT NULL,
        single_use INTEGER NOT NULL,
        clear_delivery INTEGER NOT NULL,
        activation_undo_seconds INTEGER NOT NULL,
        redemption_reversal_seconds INTEGER NOT NULL,
        created_ms INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        tag BLOB NOT NULL,
        PRIMARY KEY (program)
    ) STRICT
    """,
    """
    CREATE TABLE key_version (
        purpose INTEGER NOT NULL,
        program TEXT NOT NULL,
        version INTEGER NOT NULL,
        state INTEGER NOT NULL,
        wrapped_key BLOB NOT NULL,
        public_key BLOB,
        created_ms INTEGER NOT NULL,
        activated_ms INTEGER,
        deactivated_ms INTEGER,
        tag BLOB NOT NULL,
        PRIMARY KEY (purpose, program, version)
    ) STRICT
    """,
    """
    CREATE TABLE key_use (
        purpose INTEGER NOT NULL,
        program TEXT NOT NULL,
        version INTEGER NOT NULL,
        reserved INTEGER NOT NULL,
        tag BLOB NOT NULL,
        PRIMARY KEY (purpose, program, version)
    ) STRICT
    """,
    """
    CREATE TABLE recipient (
        program TEXT NOT NULL,
        recipient TEXT NOT NULL,
        display_name TEXT NOT NULL,
        public_key BLOB NOT NULL,
        created_ms INTEGER NOT NULL,
        tag BLOB NOT NULL,
        PRIMARY KEY (program, recipient)
    ) STRICT
    """,
    """
    CREATE TABLE batch (
        batch_id BLOB NOT NULL,
        program TEXT NOT NULL,
        state INTEGER NOT NULL,
        card_count INTEGER NOT NULL,
        recipient TEXT NOT NULL,
        reference TEXT NOT NULL,
        expires_ms INTEGER,
        created_ms INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        package_head BLOB,
        wrapped_package_key BLOB,
        manifest_entries INTEGER,
        manifest_size INTEGER,
        manifest_sha256 BLOB,
        tag BLOB NOT NULL,
        PRIMARY KEY (batch_id)
    ) STRICT
    """,
    # ListBatches, newest first.
    "CREATE INDEX batch_created ON batch (program, created_ms, batch_id)",
    """
    CREATE TABLE card (
        program TEXT NOT NULL,
        card_id BLOB NOT NULL,
        batch_id BLOB,
        batch_position INTEGER,
        state INTEGER NOT NULL,
        usage INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        reference TEXT NOT NULL,
        expires_ms INTEGER,
        created_ms INTEGER NOT NULL,
        activated_ms INTEGER,
        redeemed_ms INTEGER,
        redemption_id BLOB,
        record_version INTEGER NOT NULL,
        sealed_record BLOB,
        wrapped_record_key BLOB,
        revision INTEGER NOT NULL,
        tag BLOB NOT NULL,
        PRIMARY KEY (program, card_id)
    ) STRICT
    """,
    # A batch's export and withdrawal go through it by position.
    "CREATE INDEX card_batch ON card (batch_id, batch_position) WHERE batch_id IS NOT NULL",
    """
    CREATE TABLE code (
        digest BLOB NOT NULL,
        index_version INTEGER NOT NULL,
        program TEXT NOT NULL,
        card_id BLOB NOT NULL,
        generation INTEGER NOT NULL,
        serial TEXT NOT NULL,
        sealed_code BLOB NOT NULL,
        wrapped_code_key BLOB NOT NULL,
        tag BLOB NOT NULL,
        PRIMARY KEY (digest)
    ) STRICT
    """,
    # A card's codes: its reveal, its export, its re-issue.
    "CREATE INDEX code_card ON code (card_id)",
    """
    CREATE TABLE serial (
        program TEXT NOT NULL,
        serial TEXT NOT NULL,
        card_id BLOB NOT NULL,
        generation INTEGER NOT NULL,
        tag BLOB NOT NULL,
        PRIMARY KEY (program, serial)
    ) STRICT
    """,
    """
    CREATE TABLE tally (
        program TEXT NOT NULL,
        slot INTEGER NOT NULL,
        live INTEGER NOT NULL,
        tag BLOB NOT NULL,
        PRIMARY KEY (program, slot)
    ) STRICT
    """,
    """
    CREATE TABLE job (
        job_id BLOB NOT NULL,
        kind INTEGER NOT NULL,
        program TEXT NOT NULL,
        subject BLOB NOT NULL,
        state INTEGER NOT NULL,
        principal TEXT NOT NULL,
        total_count INTEGER NOT NULL,
        done_count INTEGER NOT NULL,
        error_count INTEGER NOT NULL,
        last_error TEXT NOT NULL,
        cursor INTEGER NOT NULL,
        created_ms INTEGER NOT NULL,
        finished_ms INTEGER,
        tag BLOB NOT NULL,
        lease_owner BLOB,
        lease_until_ms INTEGER NOT NULL,
        PRIMARY KEY (job_id)
    ) STRICT
    """,
    # The jobs of a batch.
    "CREATE INDEX job_subject ON job (subject, created_ms, job_id)",
    # The oldest running job (state 1), however many are finished.
    "CREATE INDEX job_running ON job (created_ms, job_id) WHERE state = 1",
    """
    CREATE TABLE request (
        principal TEXT NOT NULL,
        request_id BLOB NOT NULL,
        method TEXT NOT NULL,
        body_mac BLOB NOT NULL,
        result BLOB NOT NULL,
        created_ms INTEGER NOT NULL,
        tag BLOB NOT NULL,
        PRIMARY KEY (principal, request_id)
    ) STRICT
    """,
    # Sweeping the old ones.
    "CREATE INDEX request_created ON request (created_ms)",
    """
    CREATE TABLE audit_event (
        writer_id BLOB NOT NULL,
        counter INTEGER NOT NULL,
        recorded_ms INTEGER NOT NULL,
        program TEXT NOT NULL,
        event BLOB NOT NULL,
        chain BLOB NOT NULL,
        PRIMARY KEY (writer_id, counter)
    ) STRICT
    """,
    # ListAuditEvents over all programs, and over one.
    "CREATE INDEX audit_event_recorded ON audit_event (recorded_ms, writer_id, counter)",
    "CREATE INDEX audit_event_program ON audit_event (program, recorded_ms, writer_id, counter)",
)
