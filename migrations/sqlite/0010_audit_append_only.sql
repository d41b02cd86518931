-- The audit only grows, whoever asks. Who has the file can still drop the triggers; what happened then shows in the chain
-- and against a head that was kept elsewhere.
CREATE TRIGGER audit_entries_no_update BEFORE UPDATE ON audit_entries
BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only: no UPDATE of audit_entries');
END;

CREATE TRIGGER audit_entries_no_delete BEFORE DELETE ON audit_entries
BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only: no DELETE of audit_entries');
END;

-- INSERT OR REPLACE removes a row without asking the triggers of DELETE.
CREATE TRIGGER audit_entries_no_replace BEFORE INSERT ON audit_entries
WHEN EXISTS (SELECT 1 FROM audit_entries WHERE sequence = NEW.sequence)
BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only: no replacement in audit_entries');
END;

CREATE TRIGGER audit_head_no_delete BEFORE DELETE ON audit_head
BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only: no DELETE of audit_head');
END;

CREATE TRIGGER audit_head_no_replace BEFORE INSERT ON audit_head
BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only: no INSERT of audit_head');
END;

-- The end moves in two steps, as an entry is written: to the next number, then, with the entry there, to its hash.
CREATE TRIGGER audit_head_advances BEFORE UPDATE ON audit_head
WHEN NOT (
    NEW.id = OLD.id
    AND (
        (NEW.sequence = OLD.sequence + 1 AND NEW.hash = OLD.hash)
        OR (
            NEW.sequence = OLD.sequence
            AND EXISTS (SELECT 1 FROM audit_entries WHERE sequence = NEW.sequence AND hash = NEW.hash)
        )
    )
)
BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only: its end moves to the next entry alone');
END;
