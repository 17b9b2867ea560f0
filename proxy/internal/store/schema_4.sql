-- Schema 4: the order in which lists are shown, and what failed.

DROP INDEX instance_tree;
CREATE INDEX instance_tree ON instance (tree, LOWER(title), id);
DROP INDEX shared_tree;
CREATE INDEX shared_tree ON shared_instance (tree, LOWER(SUBSTR(reference, 2)), id);
CREATE INDEX software_url ON software (url, id);

-- A last report is no failure if there is none, or if its first word is one of two.
CREATE INDEX instance_failing ON instance (computer_id, partition_id) WHERE SUBSTR(status_text || ' ', 1, 1) <> ' '
    AND SUBSTR(status_text || ' ', 1, 8) <> '#access ' AND SUBSTR(status_text || ' ', 1, 10) <> '#building ';
CREATE INDEX instance_failing_tree ON instance (tree) WHERE SUBSTR(status_text || ' ', 1, 1) <> ' '
    AND SUBSTR(status_text || ' ', 1, 8) <> '#access ' AND SUBSTR(status_text || ' ', 1, 10) <> '#building ';
CREATE INDEX shared_failing ON shared_instance (listed, id) WHERE SUBSTR(status_text || ' ', 1, 1) <> ' '
    AND SUBSTR(status_text || ' ', 1, 8) <> '#access ' AND SUBSTR(status_text || ' ', 1, 10) <> '#building ';
CREATE INDEX software_failing ON software (computer_id, id) WHERE SUBSTR(status_text || ' ', 1, 1) <> ' '
    AND SUBSTR(status_text || ' ', 1, 8) <> '#access ' AND SUBSTR(status_text || ' ', 1, 10) <> '#building ';
CREATE INDEX computer_failing ON computer (sequence, id) WHERE SUBSTR(status_text || ' ', 1, 1) <> ' '
    AND SUBSTR(status_text || ' ', 1, 8) <> '#access ' AND SUBSTR(status_text || ' ', 1, 10) <> '#building ';
CREATE INDEX computer_contact ON computer (status_at, id);
