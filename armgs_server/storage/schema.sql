-- The schema, readable as documentation. One text serves both engines: PostgreSQL gets it with
-- INTEGER -> BIGINT, BLOB -> BYTEA, TEXT -> TEXT COLLATE "C" and without "WITHOUT ROWID".
-- Every key leads with the owner (a principal's id), so that rows of one owner lie together and a
-- distributed PostgreSQL can spread them; blobs, which owners share, are spread by their hash.
-- Times are microseconds since 1970 UTC. JSON is kept as TEXT and never queried into.

-- What every owner of anything has. bytes and items are the sums over all its collections.
CREATE TABLE account (
  owner           INTEGER NOT NULL PRIMARY KEY,
  next_collection INTEGER NOT NULL,
  items           INTEGER NOT NULL,
  bytes           INTEGER NOT NULL,
  quota           INTEGER NOT NULL,             -- bytes; 0 = no limit
  versions        INTEGER NOT NULL DEFAULT 0    -- bytes of earlier states of files, whether in bytes or not
);

-- Mailbox, calendar, task list, address book, folder, chat: the same thing.
CREATE TABLE collection (
  owner        INTEGER NOT NULL,
  id           INTEGER NOT NULL,
  parent       INTEGER NOT NULL,                -- 0 = top level
  kind         TEXT    NOT NULL,                -- mail calendar tasks addressbook files chat roster news
  name         TEXT    NOT NULL,                -- one path segment
  role         TEXT    NOT NULL,                -- inbox sent drafts trash junk archive default shared '' …
  modseq       INTEGER NOT NULL,                -- the last change among its members, itself or child collections
  changed      INTEGER NOT NULL,                -- the parent's modseq when this row was made or renamed
  uid_next     INTEGER NOT NULL,
  uid_validity INTEGER NOT NULL,
  items        INTEGER NOT NULL,
  bytes        INTEGER NOT NULL,
  unseen       INTEGER NOT NULL,
  subscribed   INTEGER NOT NULL,                -- IMAP SUBSCRIBE: 0 or 1
  data         TEXT    NOT NULL,                -- JSON object: display name, colour, components …
  PRIMARY KEY (owner, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX collection_name ON collection (owner, kind, parent, name);
CREATE INDEX collection_restored ON collection (owner, id) WHERE role = 'restored';

CREATE TABLE item (
  owner        INTEGER NOT NULL,
  collection   INTEGER NOT NULL,
  uid          INTEGER NOT NULL,                -- never reused within the collection
  name         TEXT,                            -- NULL for mail; a path segment elsewhere
  blob         BLOB    NOT NULL,                -- SHA-256 of the bytes, blob.hash
  size         INTEGER NOT NULL,
  content_type TEXT    NOT NULL,
  modseq       INTEGER NOT NULL,
  created      INTEGER NOT NULL,                -- IMAP INTERNALDATE, DAV creationdate
  modified     INTEGER NOT NULL,                -- when the bytes last changed; DAV getlastmodified
  flags        INTEGER NOT NULL,                -- bits: storage.items.Flags
  keywords     TEXT    NOT NULL,                -- IMAP keywords, space-separated, '' for none; of a calendar
                                                -- object its schedule tag (RFC 6638), '' where it has none
  PRIMARY KEY (owner, collection, uid)
) WITHOUT ROWID;
CREATE UNIQUE INDEX item_name ON item (owner, collection, name) WHERE name IS NOT NULL;
CREATE INDEX item_modseq ON item (owner, collection, modseq);

-- What was removed, for whoever asks "what changed since N". uid 0 = a child collection.
CREATE TABLE tombstone (
  owner      INTEGER NOT NULL,
  collection INTEGER NOT NULL,
  modseq     INTEGER NOT NULL,
  uid        INTEGER NOT NULL,
  name       TEXT    NOT NULL,                  -- '' for mail
  PRIMARY KEY (owner, collection, modseq, uid, name)
) WITHOUT ROWID;

-- What was removed and is kept nevertheless (storage.keeping): for an administrator to bring back, by a rule,
-- or under a hold. Nobody sees it in any client, and no quota counts it.
CREATE TABLE kept (
  owner        INTEGER NOT NULL,
  collection   INTEGER NOT NULL,                -- 0 for chat
  uid          INTEGER NOT NULL,                -- for chat the archive id
  modseq       INTEGER NOT NULL,                -- tells versions of one uid; for chat the time of the removal
  kind         TEXT    NOT NULL,                -- of the collection, or chat
  path         TEXT    NOT NULL,                -- where it lay, with slashes between; for chat the peer
  name         TEXT    NOT NULL,                -- '' for mail; for chat the stanza's id
  blob         BLOB    NOT NULL,
  size         INTEGER NOT NULL,
  content_type TEXT    NOT NULL,
  created      INTEGER NOT NULL,
  modified     INTEGER NOT NULL,
  flags        INTEGER NOT NULL,
  keywords     TEXT    NOT NULL,
  removed      INTEGER NOT NULL,
  until        INTEGER NOT NULL,                -- then it goes, unless the owner's things are held
  PRIMARY KEY (owner, collection, uid, modseq)
) WITHOUT ROWID;
CREATE INDEX kept_until ON kept (until);
-- Earlier states of files (storage.versions), a row each time a file's bytes were replaced.
CREATE TABLE version (
  owner        INTEGER NOT NULL,
  collection   INTEGER NOT NULL,
  uid          INTEGER NOT NULL,                -- of the file
  number       INTEGER NOT NULL,                -- 1, 2, 3 …
  blob         BLOB    NOT NULL,
  size         INTEGER NOT NULL,
  content_type TEXT    NOT NULL,
  modseq       INTEGER NOT NULL,                -- what the item had
  created      INTEGER NOT NULL,
  modified     INTEGER NOT NULL,                -- from then on these were the file's bytes
  ended        INTEGER NOT NULL,                -- until then
  charged      INTEGER NOT NULL,                -- 1 = account.bytes counts it
  was_in       INTEGER NOT NULL,                -- collection and uid of the file then: by them kept knows it
  was_uid      INTEGER NOT NULL,
  PRIMARY KEY (owner, collection, uid, number)
) WITHOUT ROWID;
CREATE INDEX version_ended ON version (owner, ended);
-- The journal of a department's mail (storage.journal): only ever added to.
CREATE TABLE journal (
  owner      INTEGER NOT NULL,                  -- the department
  id         INTEGER NOT NULL,                  -- 1, 2, 3 …
  moment     INTEGER NOT NULL,
  sender     TEXT    NOT NULL,                  -- reverse-path
  recipients TEXT    NOT NULL,                  -- JSON array of forward-paths
  blob       BLOB    NOT NULL,
  size       INTEGER NOT NULL,
  hash       BLOB    NOT NULL,                  -- SHA-256 over the hash before it and this row
  PRIMARY KEY (owner, id)
) WITHOUT ROWID;
-- Legal holds: of what these owners have nothing is ever gone.
CREATE TABLE hold (
  owner  INTEGER NOT NULL PRIMARY KEY,
  since  INTEGER NOT NULL,
  reason TEXT    NOT NULL
);
-- How long things are kept at least, and when they are removed: for one owner, or for all of a department.
CREATE TABLE retention (
  principal INTEGER NOT NULL,
  kind      TEXT    NOT NULL,                   -- of the collections, or chat junk trash
  keep      INTEGER NOT NULL,                   -- days after its last change that a removed thing is kept; 0 = no rule
  expire    INTEGER NOT NULL,                   -- days after its last change that a thing is removed; 0 = never
  PRIMARY KEY (principal, kind)
) WITHOUT ROWID;

-- Bytes, once each: in data, or in the blob engine (a file, an object in S3) under place.
CREATE TABLE blob (
  hash    BLOB    NOT NULL PRIMARY KEY,
  size    INTEGER NOT NULL,
  refs    INTEGER NOT NULL,
  touched INTEGER NOT NULL,                     -- when refs last changed: the collector waits an hour after it
  data    BLOB,
  place   TEXT
);
CREATE INDEX blob_unreferenced ON blob (touched) WHERE refs = 0;

-- Uploads in pieces (storage.partial_uploads): what has come of a file, and the request it is for.
CREATE TABLE partial_upload (
  owner    INTEGER NOT NULL,                    -- who uploads
  id       TEXT    NOT NULL,
  target   TEXT    NOT NULL,                    -- of the request
  headers  TEXT    NOT NULL,                    -- JSON: its fields that count in the end
  size     INTEGER NOT NULL,                    -- of the whole; -1 = not known yet
  received INTEGER NOT NULL,
  turn     INTEGER NOT NULL,                    -- grows with each request about it: only the last may add
  status   INTEGER NOT NULL,                    -- of the answer to the whole; 0 = not whole yet
  etag     TEXT    NOT NULL,
  expires  INTEGER NOT NULL,
  PRIMARY KEY (owner, id)
) WITHOUT ROWID;
CREATE INDEX partial_upload_expires ON partial_upload (expires);
CREATE TABLE partial_piece (
  owner INTEGER NOT NULL,
  id    TEXT    NOT NULL,
  start INTEGER NOT NULL,
  blob  BLOB    NOT NULL,
  size  INTEGER NOT NULL,
  PRIMARY KEY (owner, id, start)
) WITHOUT ROWID;

-- Small values an owner has one of: vcard-temp, private XML, block list …
CREATE TABLE document (
  owner  INTEGER NOT NULL,
  name   TEXT    NOT NULL,
  value  BLOB    NOT NULL,
  modseq INTEGER NOT NULL,
  PRIMARY KEY (owner, name)
) WITHOUT ROWID;

-- What IMAP needs of a message to answer fast, made once when it arrives.
CREATE TABLE message (
  owner         INTEGER NOT NULL,
  collection    INTEGER NOT NULL,
  uid           INTEGER NOT NULL,
  envelope      BLOB    NOT NULL,               -- RFC 9051 envelope, ready to send
  bodystructure BLOB    NOT NULL,               -- RFC 9051 BODYSTRUCTURE, ready to send
  body          BLOB    NOT NULL,               -- the same without extension data: BODY
  parts         BLOB    NOT NULL,               -- formats.mime part offsets, packed
  header_size   INTEGER NOT NULL,
  sent          INTEGER NOT NULL,               -- Date: header, or created where it has none that parses
  subject       TEXT    NOT NULL,               -- decoded, for SEARCH and SORT
  sender        TEXT    NOT NULL,               -- decoded From:
  recipients    TEXT    NOT NULL,               -- decoded To:
  cc            TEXT    NOT NULL,
  bcc           TEXT    NOT NULL,
  message_id    TEXT    NOT NULL,
  refs          TEXT    NOT NULL,               -- References: and In-Reply-To:, space-separated
  PRIMARY KEY (owner, collection, uid)
) WITHOUT ROWID;

-- How far a mailbox has been told to clients: uids from here on are \Recent for who comes next (RFC 3501).
CREATE TABLE recent (
  owner      INTEGER NOT NULL,
  collection INTEGER NOT NULL,
  uid        INTEGER NOT NULL,
  PRIMARY KEY (owner, collection)
) WITHOUT ROWID;

-- RFC 5464: what clients keep about a mailbox, or with collection 0 about an account.
CREATE TABLE annotation (
  owner      INTEGER NOT NULL,
  collection INTEGER NOT NULL,
  principal  INTEGER NOT NULL,                  -- whose private one; 0 = shared
  name       TEXT    NOT NULL,                  -- the entry, without /private or /shared, in lower case
  value      BLOB    NOT NULL,
  PRIMARY KEY (owner, collection, principal, name)
) WITHOUT ROWID;

-- Dead properties (RFC 4918 §15) and client-set live ones. uid 0 = the collection itself.
CREATE TABLE property (
  owner      INTEGER NOT NULL,
  collection INTEGER NOT NULL,
  uid        INTEGER NOT NULL,
  name       TEXT    NOT NULL,                  -- {namespace}local
  value      TEXT    NOT NULL,                  -- the element, as canonical XML
  PRIMARY KEY (owner, collection, uid, name)
) WITHOUT ROWID;

-- WebDAV locks (RFC 4918 §6). uid 0 = the collection itself.
CREATE TABLE lock (
  owner      INTEGER NOT NULL,
  collection INTEGER NOT NULL,
  uid        INTEGER NOT NULL,
  token      TEXT    NOT NULL,
  scope      TEXT    NOT NULL,                  -- exclusive shared
  deep       INTEGER NOT NULL,                  -- 1 = Depth: infinity
  principal  INTEGER NOT NULL,                  -- who took it
  holder     TEXT    NOT NULL,                  -- the client's DAV:owner element
  expires    INTEGER NOT NULL,
  root       TEXT    NOT NULL,                  -- href the lock was taken on
  PRIMARY KEY (owner, collection, uid, token)
) WITHOUT ROWID;
-- Who was refused a lock on an item, and is told when it is free (storage.lock_waits).
CREATE TABLE lock_wait (
  owner      INTEGER NOT NULL,
  collection INTEGER NOT NULL,
  uid        INTEGER NOT NULL,
  person     INTEGER NOT NULL,
  recipient  TEXT    NOT NULL,                  -- a bare JID
  subject    TEXT    NOT NULL,
  text       TEXT    NOT NULL,
  PRIMARY KEY (owner, collection, uid, person)
) WITHOUT ROWID;

-- Calendar components: what queries, scheduling and listings ask of an object, read once at PUT.
CREATE TABLE event (
  owner         INTEGER NOT NULL,
  collection    INTEGER NOT NULL,
  uid           INTEGER NOT NULL,
  component     TEXT    NOT NULL,               -- VEVENT VTODO VJOURNAL VFREEBUSY VAVAILABILITY
  ical_uid      TEXT    NOT NULL,
  summary       TEXT    NOT NULL,
  starts        INTEGER,                        -- bounds over all instances; NULL = no date at all
  ends          INTEGER,                        -- NULL = no date, or for ever
  recurring     INTEGER NOT NULL,
  expanded_from INTEGER,                        -- instances between these two are in the table;
  expanded      INTEGER,                        -- NULL = all of them are
  PRIMARY KEY (owner, collection, uid)
) WITHOUT ROWID;
CREATE UNIQUE INDEX event_ical_uid ON event (owner, collection, ical_uid);
CREATE INDEX event_undated ON event (owner, collection, starts) WHERE starts IS NULL;
CREATE INDEX event_expanded_from ON event (owner, collection, expanded_from) WHERE expanded_from IS NOT NULL;
CREATE INDEX event_expanded ON event (owner, collection, expanded) WHERE expanded IS NOT NULL;
CREATE INDEX event_to_expand ON event (expanded) WHERE expanded IS NOT NULL;

CREATE TABLE instance (
  owner      INTEGER NOT NULL,
  collection INTEGER NOT NULL,
  uid        INTEGER NOT NULL,
  starts     INTEGER NOT NULL,
  ends       INTEGER NOT NULL,
  busy       TEXT    NOT NULL,                  -- RFC 5545 FBTYPE, or FREE when transparent
  floating   INTEGER NOT NULL,                  -- 1 = local time of whoever looks, kept as if it were UTC
  PRIMARY KEY (owner, collection, uid, starts)
) WITHOUT ROWID;
CREATE INDEX instance_range ON instance (owner, collection, starts, uid, ends, busy, floating);
-- More than two days: what a range over starts alone would miss.
CREATE INDEX instance_long ON instance (owner, collection, ends) WHERE ends - starts > 172800000000;

-- Managed attachments of calendar objects (RFC 8607, storage.attachments).
CREATE TABLE attachment (
  owner        INTEGER NOT NULL,
  id           TEXT    NOT NULL,                -- MANAGED-ID
  ical_uid     TEXT    NOT NULL,                -- of the object
  blob         BLOB    NOT NULL,
  size         INTEGER NOT NULL,
  content_type TEXT    NOT NULL,
  filename     TEXT    NOT NULL,
  created      INTEGER NOT NULL,
  removed      INTEGER NOT NULL,                -- when it was seen that no object names it; 0 = one does
  PRIMARY KEY (owner, id, ical_uid)
) WITHOUT ROWID;
CREATE INDEX attachment_id ON attachment (id);

-- Calendars copied from the web (storage.subscribed): a collection of the kind subscribed each.
CREATE TABLE subscription (
  owner      INTEGER NOT NULL,
  collection INTEGER NOT NULL,
  due        INTEGER NOT NULL,                  -- when it is fetched again
  failures   INTEGER NOT NULL,                  -- since it was fetched last
  etag       TEXT    NOT NULL,
  error      TEXT    NOT NULL,
  PRIMARY KEY (owner, collection)
) WITHOUT ROWID;
CREATE INDEX subscription_due ON subscription (due);

-- WebDAV-Push (storage.web_push): who is told of changes of a collection, and what they were told last.
CREATE TABLE web_push (
  owner         INTEGER NOT NULL,               -- of the collection
  id            TEXT    NOT NULL,               -- random; in the registration's URL
  collection    INTEGER NOT NULL,
  person        INTEGER NOT NULL,               -- who registered
  endpoint      TEXT    NOT NULL,               -- URL at the push service
  public_key    BLOB    NOT NULL,               -- of the device, RFC 8291
  auth_secret   BLOB    NOT NULL,
  content       INTEGER NOT NULL,               -- depth of content updates; -1: none
  properties    INTEGER NOT NULL,               -- property updates: 0 or 1
  expires       INTEGER NOT NULL,
  told          INTEGER NOT NULL,               -- modseq
  digest        BLOB    NOT NULL,               -- of the collection's properties
  failures      INTEGER NOT NULL,               -- one after the other
  failing_since INTEGER NOT NULL,               -- 0: it works
  due           INTEGER NOT NULL,               -- not tried before
  PRIMARY KEY (owner, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX web_push_endpoint ON web_push (owner, collection, person, endpoint);
CREATE INDEX web_push_expires ON web_push (expires);

CREATE TABLE card (
  owner      INTEGER NOT NULL,
  collection INTEGER NOT NULL,
  uid        INTEGER NOT NULL,
  card_uid   TEXT    NOT NULL,
  fn         TEXT    NOT NULL,
  search     TEXT    NOT NULL,                  -- names, addresses, numbers; casefolded, newline-separated
  days       TEXT    NOT NULL,                  -- birthday and anniversary (formats.anniversaries), '' for none
  PRIMARY KEY (owner, collection, uid)
) WITHOUT ROWID;
CREATE UNIQUE INDEX card_uid ON card (owner, collection, card_uid);
CREATE INDEX card_days ON card (owner, card_uid) WHERE days <> '';

-- XEP-0313: one row for each owner of the conversation. id is the archive id, in the order of time and of
-- commits: microseconds << 10 and ten random bits (storage.archive).
CREATE TABLE archive (
  owner     INTEGER NOT NULL,
  id        INTEGER NOT NULL,
  peer      TEXT    NOT NULL,                   -- bare JID of the other side; occupant's nick in a room
  resource  TEXT    NOT NULL DEFAULT '',        -- of the other side's full JID
  sent      INTEGER NOT NULL,
  stanza_id TEXT    NOT NULL,                   -- the sender's id or origin-id
  stanza    BLOB    NOT NULL,                   -- the <message/> as delivered
  PRIMARY KEY (owner, id)
) WITHOUT ROWID;
CREATE INDEX archive_peer ON archive (owner, peer, id);
-- PostgreSQL: the last id that was drawn in an archive. Whoever draws one holds the row until the commit.
CREATE TABLE archive_end (
  owner INTEGER NOT NULL PRIMARY KEY,
  last  INTEGER NOT NULL
);

-- Full-text search (storage.fulltext): the stems of an owner's texts. scope 0 = the chat archive, whose ids
-- they are; else a collection, whose uids.
CREATE TABLE fulltext (
  owner INTEGER NOT NULL,
  scope INTEGER NOT NULL,
  term  TEXT    NOT NULL,
  id    INTEGER NOT NULL,
  PRIMARY KEY (owner, scope, term, id)
) WITHOUT ROWID;
CREATE TABLE fulltext_end (
  owner INTEGER NOT NULL,
  scope INTEGER NOT NULL,
  last  INTEGER NOT NULL,                       -- the greatest id that has been indexed
  PRIMARY KEY (owner, scope)
) WITHOUT ROWID;

-- Words of mail (storage.mail_words): the mailboxes that are searched, and up to which uid they are indexed.
CREATE TABLE mail_index (
  owner      INTEGER NOT NULL,
  collection INTEGER NOT NULL,
  last       INTEGER NOT NULL,
  PRIMARY KEY (owner, collection)
) WITHOUT ROWID;
-- A segment: the words of the messages with uids from first to last. kind: storage.mail_words.Kind.
CREATE TABLE mail_words (
  owner      INTEGER NOT NULL,
  collection INTEGER NOT NULL,
  kind       INTEGER NOT NULL,
  first      INTEGER NOT NULL,
  last       INTEGER NOT NULL,
  messages   INTEGER NOT NULL,
  partial    BLOB    NOT NULL,                  -- 16-bit offsets of uids whose words are not all here
  words      BLOB    NOT NULL,                  -- each between two line ends, sorted
  starts     BLOB    NOT NULL,                  -- 32 bits a word: where it begins in words
  ends       BLOB    NOT NULL,                  -- 32 bits a word: where its ids end in mail_words_ids
  PRIMARY KEY (owner, collection, kind, first)
);
CREATE TABLE mail_words_ids (
  owner      INTEGER NOT NULL,
  collection INTEGER NOT NULL,
  kind       INTEGER NOT NULL,
  first      INTEGER NOT NULL,
  part       INTEGER NOT NULL,
  data       BLOB    NOT NULL,                  -- 16-bit offsets of uids, word by word
  PRIMARY KEY (owner, collection, kind, first, part)
);
-- Text read out of the attachments of a message, by the hash of the message; deflated UTF-8.
CREATE TABLE attachment_text (
  hash BLOB NOT NULL PRIMARY KEY,
  data BLOB NOT NULL
) WITHOUT ROWID;

-- URLAUTH (RFC 4467 §5): a person's access key for a mailbox, of which the tokens of URLs are made.
CREATE TABLE url_key (
  owner         INTEGER NOT NULL,
  mailbox_owner INTEGER NOT NULL,
  collection    INTEGER NOT NULL,
  value         BLOB    NOT NULL,
  PRIMARY KEY (owner, mailbox_owner, collection)
) WITHOUT ROWID;

-- Chats as mailboxes (storage.chat_folders): what each shows, and up to which archive id. source = whose archive,
-- peer = which conversation in it, empty for a room's. source 0: the folder above all of them.
CREATE TABLE chat_folder (
  owner      INTEGER NOT NULL,
  collection INTEGER NOT NULL,
  source     INTEGER NOT NULL,
  peer       TEXT    NOT NULL,
  last       INTEGER NOT NULL,
  PRIMARY KEY (owner, collection)
) WITHOUT ROWID;
CREATE INDEX chat_folder_source ON chat_folder (source);
-- Blobs with neither data nor place: made of an archived message when they are read (storage.derived).
CREATE TABLE derived (
  hash    BLOB    NOT NULL PRIMARY KEY,
  source  INTEGER NOT NULL,                     -- whose archive
  archive INTEGER NOT NULL,                     -- id in it
  form    INTEGER NOT NULL                      -- how it is made
) WITHOUT ROWID;
CREATE INDEX derived_source ON derived (source, archive);

-- XEP-0357: where notifications for the owner's devices go.
CREATE TABLE push (
  owner    INTEGER NOT NULL,
  service  TEXT    NOT NULL,                    -- JID of the push service
  node     TEXT    NOT NULL,
  resource TEXT    NOT NULL,                    -- of the session that asked for it
  options  BLOB    NOT NULL,                    -- the publish-options form, as it came; empty for none
  created  INTEGER NOT NULL,
  PRIMARY KEY (owner, service, node)
) WITHOUT ROWID;

-- XEP-0160: messages no session of the owner took yet.
CREATE TABLE offline (
  owner  INTEGER NOT NULL,
  id     INTEGER NOT NULL,
  sent   INTEGER NOT NULL,
  stanza BLOB    NOT NULL,
  PRIMARY KEY (owner, id)
) WITHOUT ROWID;

-- XEP-0363: the links given out for files shared in chat. uid 0 = not uploaded yet.
CREATE TABLE upload (
  token      TEXT    NOT NULL PRIMARY KEY,      -- 192 random bits: who has the link may read
  owner      INTEGER NOT NULL,
  collection INTEGER NOT NULL,
  uid        INTEGER NOT NULL,
  name       TEXT    NOT NULL,
  size       INTEGER NOT NULL,                  -- what the slot was asked for
  type       TEXT    NOT NULL,
  expires    INTEGER NOT NULL                   -- until when the file may be put
) WITHOUT ROWID;
CREATE INDEX upload_owner ON upload (owner, uid);

-- Links by which people without an account read a file (storage.sharelinks).
CREATE TABLE link (
  token      BLOB    NOT NULL PRIMARY KEY,      -- SHA-256 of what stands in the link
  owner      INTEGER NOT NULL,
  collection INTEGER NOT NULL,
  uid        INTEGER NOT NULL,
  creator    INTEGER NOT NULL,
  password   TEXT    NOT NULL,                  -- argon2; '' = none is asked for
  created    INTEGER NOT NULL,
  expires    INTEGER NOT NULL,
  downloads  INTEGER NOT NULL,
  last_used  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX link_owner ON link (owner, expires);

-- XEP-0060, XEP-0163: nodes of people (avatar, bookmarks, device keys) and of departments (pubsub.DOMAIN).
CREATE TABLE pubsub_node (
  owner   INTEGER NOT NULL,
  node    TEXT    NOT NULL,
  creator TEXT    NOT NULL DEFAULT '',          -- bare JID
  created INTEGER NOT NULL DEFAULT 0,
  config  TEXT    NOT NULL,                     -- JSON: access_model, max_items …
  PRIMARY KEY (owner, node)
) WITHOUT ROWID;
CREATE TABLE pubsub_item (
  owner     INTEGER NOT NULL,
  node      TEXT    NOT NULL,
  id        TEXT    NOT NULL,
  published INTEGER NOT NULL,                   -- in the order of publishing; microseconds << 10
  publisher TEXT    NOT NULL DEFAULT '',        -- bare JID
  payload   BLOB    NOT NULL,                   -- the <item/> element
  PRIMARY KEY (owner, node, id)
) WITHOUT ROWID;
CREATE INDEX pubsub_item_published ON pubsub_item (owner, node, published);
CREATE TABLE pubsub_affiliation (
  owner       INTEGER NOT NULL,
  node        TEXT    NOT NULL,
  jid         TEXT    NOT NULL,                 -- bare
  affiliation TEXT    NOT NULL,                 -- owner publisher publish-only member outcast
  PRIMARY KEY (owner, node, jid)
) WITHOUT ROWID;
CREATE INDEX pubsub_affiliation_jid ON pubsub_affiliation (jid);
CREATE TABLE pubsub_subscription (
  owner   INTEGER NOT NULL,
  node    TEXT    NOT NULL,
  jid     TEXT    NOT NULL,                     -- bare or full: where events go
  subid   TEXT    NOT NULL,
  bare    TEXT    NOT NULL,
  service TEXT    NOT NULL,                     -- whom events come from
  state   TEXT    NOT NULL,                     -- subscribed pending
  options TEXT    NOT NULL,                     -- JSON: deliver, include_body …
  expires INTEGER NOT NULL,                     -- 0: never
  PRIMARY KEY (owner, node, jid, subid)
) WITHOUT ROWID;
CREATE INDEX pubsub_subscription_bare ON pubsub_subscription (bare);
CREATE TABLE pubsub_redirect (
  owner INTEGER NOT NULL,
  node  TEXT    NOT NULL,                       -- was deleted
  uri   TEXT    NOT NULL,                       -- goes on there
  PRIMARY KEY (owner, node)
) WITHOUT ROWID;

-- RFC 6121 §2; versions are the modseq of the owner's collection of kind roster.
CREATE TABLE roster (
  owner        INTEGER NOT NULL,
  jid          TEXT    NOT NULL,
  name         TEXT    NOT NULL,
  subscription TEXT    NOT NULL,                -- none to from both remove; '' = not listed, only pending or approved
  ask          INTEGER NOT NULL,                -- 1 = subscribe sent, not yet answered
  approved     INTEGER NOT NULL,
  pending      BLOB,                            -- an inbound subscribe not yet answered
  groups       TEXT    NOT NULL,                -- JSON array
  modseq       INTEGER NOT NULL,
  PRIMARY KEY (owner, jid)
) WITHOUT ROWID;

-- XEP-0012: the session of a person that ended last.
CREATE TABLE last_activity (
  owner INTEGER NOT NULL PRIMARY KEY,
  came  INTEGER NOT NULL,
  went  INTEGER NOT NULL
);

-- Where several processes serve: who is connected to which of them (storage.sessions).
CREATE TABLE session (
  owner    INTEGER NOT NULL,
  resource TEXT    NOT NULL,
  address  TEXT    NOT NULL,                    -- the owner's bare JID
  number   INTEGER NOT NULL,                    -- tells a session from a later one of the same resource
  process  TEXT    NOT NULL,                    -- process.id
  former   TEXT    NOT NULL,                    -- the process that had the resource before
  priority INTEGER NOT NULL,
  presence BLOB,                                -- what follows `to` in it; NULL = not available
  since    INTEGER NOT NULL DEFAULT 0,          -- what was sent earlier is acknowledged; 0 = process.expires tells
  PRIMARY KEY (owner, resource)
) WITHOUT ROWID;
CREATE INDEX session_address ON session (address);
CREATE INDEX session_process ON session (process);
CREATE TABLE process (
  id      TEXT    NOT NULL PRIMARY KEY,
  expires INTEGER NOT NULL                      -- pushed on while it lives
);
-- XEP-0198 §5: sessions between two processes, or between two lives of one (storage.parked).
CREATE TABLE parked (
  owner   INTEGER NOT NULL,
  number  INTEGER NOT NULL,                     -- session.number
  heir    TEXT    NOT NULL,                     -- process.id that goes on with it; '' = whoever comes first
  expires INTEGER NOT NULL,                     -- until then it can be resumed
  state   TEXT    NOT NULL,                     -- JSON (xmpp.snapshot)
  queue   BLOB    NOT NULL,                     -- stanzas not acknowledged, with NULs between
  PRIMARY KEY (owner, number)
);
CREATE INDEX parked_heir ON parked (heir);
-- XEP-0198 §5: how much a session had handled that was not resumed in time.
CREATE TABLE ended_session (
  owner   INTEGER NOT NULL,
  number  INTEGER NOT NULL,                     -- session.number
  handled INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  PRIMARY KEY (owner, number)
);
CREATE INDEX ended_session_expires ON ended_session (expires);
-- XEP-0045: who is in a room that lives in no process just now.
CREATE TABLE room_seats (
  owner INTEGER NOT NULL PRIMARY KEY,           -- the room
  state TEXT    NOT NULL                        -- JSON (xmpp.xeps.xep_0045_store)
);

-- XEP-0045 rooms: the room is an owner of its own (archive, configuration).
CREATE TABLE chatroom (
  owner   INTEGER NOT NULL PRIMARY KEY,
  address TEXT    NOT NULL UNIQUE,              -- room@conference.domain
  subject BLOB    NOT NULL,                     -- last subject <message/>, or empty
  data    TEXT    NOT NULL                      -- JSON: the configuration form's values
);
CREATE TABLE affiliation (
  owner       INTEGER NOT NULL,                 -- the room
  jid         TEXT    NOT NULL,                 -- bare JID
  affiliation TEXT    NOT NULL,                 -- owner admin member outcast
  nick        TEXT    NOT NULL,
  reason      TEXT    NOT NULL,
  PRIMARY KEY (owner, jid)
) WITHOUT ROWID;
CREATE INDEX affiliation_jid ON affiliation (jid, affiliation);

-- Up to which archive id somebody has seen a room, and was told of it by mail.
CREATE TABLE room_seen (
  person INTEGER NOT NULL,
  room   INTEGER NOT NULL,
  seen   INTEGER NOT NULL,
  told   INTEGER NOT NULL,
  PRIMARY KEY (person, room)
) WITHOUT ROWID;
CREATE INDEX room_seen_room ON room_seen (room);

-- Mail with a calendar part from elsewhere, until the calendars have looked at it (storage.invitations).
CREATE TABLE invitation (
  owner INTEGER NOT NULL,
  id    INTEGER NOT NULL,
  blob  BLOB    NOT NULL,
  due   INTEGER NOT NULL,                       -- taken by lease: not before this
  trace TEXT    NOT NULL DEFAULT '',            -- the message's id (trace_id)
  PRIMARY KEY (owner, id)
) WITHOUT ROWID;
CREATE INDEX invitation_due ON invitation (due);

-- Mail on its way to other domains: one row for each recipient.
-- Invitations that went out by mail just now (storage.told_by_mail).
CREATE TABLE told (
  owner   INTEGER NOT NULL,                     -- who invites or answers
  mark    BLOB    NOT NULL,                     -- SHA-256 of what is told to whom (formats.imip)
  queued  INTEGER NOT NULL,                     -- the calendar's own mail in the queue; 0 = the client sent one
  due     INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  PRIMARY KEY (owner, mark)
) WITHOUT ROWID;
CREATE INDEX told_expires ON told (expires);

CREATE TABLE queue (
  owner        INTEGER NOT NULL,                -- who sent it; 0 = the server
  id           INTEGER NOT NULL,
  sender       TEXT    NOT NULL,                -- reverse-path; '' = null
  recipient    TEXT    NOT NULL,
  domain       TEXT    NOT NULL,
  blob         BLOB    NOT NULL,
  created      INTEGER NOT NULL,
  next_attempt INTEGER NOT NULL,
  attempts     INTEGER NOT NULL,
  expires      INTEGER NOT NULL,
  last_error   TEXT    NOT NULL,
  data         TEXT    NOT NULL,                -- JSON: DSN parameters, SMTPUTF8, BODY …
  PRIMARY KEY (owner, id)
) WITHOUT ROWID;
CREATE INDEX queue_next ON queue (next_attempt);
-- RFC 8460: how TLS with other domains' mail servers went, until it is reported.
CREATE TABLE tls_result (
  domain   TEXT    NOT NULL,
  day      INTEGER NOT NULL,                    -- since 1970, UTC
  policy   TEXT    NOT NULL,                    -- sts tlsa
  host     TEXT    NOT NULL,
  kind     TEXT    NOT NULL,                    -- result type of RFC 8460 §4.3; '' = success
  sessions INTEGER NOT NULL,
  PRIMARY KEY (domain, day, policy, host, kind)
);
-- RFC 8461 §5.1: what other domains demand of who brings them mail, kept as long as they say.
CREATE TABLE sts_policy (
  domain   TEXT    NOT NULL PRIMARY KEY,
  identity TEXT    NOT NULL,                    -- of the record that announced it
  text     TEXT    NOT NULL,
  expires  INTEGER NOT NULL
);
-- What the client of an ACME CA keeps (RFC 8555; storage.acme).
CREATE TABLE acme (
  kind    TEXT    NOT NULL,                     -- account certificate state challenge
  name    TEXT    NOT NULL,                     -- of a challenge: its token; else ''
  value   BLOB    NOT NULL,
  expires INTEGER NOT NULL,                     -- 0 = never
  PRIMARY KEY (kind, name)
);

-- What people have called junk or not junk, until the filter has learned it (storage.training).
CREATE TABLE training (
  owner   INTEGER NOT NULL,
  blob    BLOB    NOT NULL,
  spam    INTEGER NOT NULL,                     -- 1 = junk, 0 = not junk
  created INTEGER NOT NULL,
  due     INTEGER NOT NULL,                     -- taken by lease: not before this
  PRIMARY KEY (owner, blob)
) WITHOUT ROWID;
CREATE INDEX training_due ON training (due);

-- Keys with which domains sign their mail (RFC 6376).
CREATE TABLE dkim_key (
  domain   TEXT    NOT NULL,
  selector TEXT    NOT NULL,
  private  BLOB    NOT NULL,                    -- PEM
  used     INTEGER NOT NULL,                    -- 1 = mail is signed with it
  created  INTEGER NOT NULL,
  PRIMARY KEY (domain, selector)
) WITHOUT ROWID;

-- Mail rules (RFC 5228): scripts of people and of departments.
CREATE TABLE sieve_script (
  owner   INTEGER NOT NULL,
  name    TEXT    NOT NULL,
  active  INTEGER NOT NULL,                     -- 1 = the one that runs
  text    BLOB    NOT NULL,
  program TEXT    NOT NULL,                     -- JSON (rules.sieve.program)
  changed INTEGER NOT NULL,
  PRIMARY KEY (owner, name)
) WITHOUT ROWID;
CREATE UNIQUE INDEX sieve_script_active ON sieve_script (owner) WHERE active = 1;
-- What they have done lately: answers given, ids seen, messages sent.
CREATE TABLE sieve_trace (
  owner   INTEGER NOT NULL,
  kind    TEXT    NOT NULL,                     -- vacation duplicate redirect notify error form
  key     TEXT    NOT NULL,
  expires INTEGER NOT NULL,
  PRIMARY KEY (owner, kind, key)
) WITHOUT ROWID;
CREATE INDEX sieve_trace_expires ON sieve_trace (expires);
-- Texts of the server for somebody's chat, until they are sent (storage.notices).
CREATE TABLE notice (
  owner     INTEGER NOT NULL,
  id        INTEGER NOT NULL,
  recipient TEXT    NOT NULL,                   -- a bare JID
  subject   TEXT    NOT NULL,
  text      TEXT    NOT NULL,
  due       INTEGER NOT NULL,                   -- taken by lease: not before this
  trace     TEXT    NOT NULL DEFAULT '',        -- of what it tells of (trace_id); '' = none
  PRIMARY KEY (owner, id)
) WITHOUT ROWID;
CREATE INDEX notice_due ON notice (due);
-- Texts of the server for somebody's mailbox, until they are placed (storage.letters).
CREATE TABLE letter (
  owner       INTEGER NOT NULL,                 -- whose mailbox
  id          INTEGER NOT NULL,
  author      TEXT    NOT NULL,                 -- the address they come from
  subject     TEXT    NOT NULL,
  text        TEXT    NOT NULL,
  message_id  TEXT    NOT NULL,                 -- with its brackets; '' = any
  in_reply_to TEXT    NOT NULL,                 -- what it answers; '' = nothing
  due         INTEGER NOT NULL,                 -- taken by lease: not before this
  PRIMARY KEY (owner, id)
) WITHOUT ROWID;
CREATE INDEX letter_due ON letter (due);
-- When somebody is away.
CREATE TABLE absence (
  owner   INTEGER NOT NULL PRIMARY KEY,
  starts  INTEGER NOT NULL,
  ends    INTEGER NOT NULL,
  inside  TEXT    NOT NULL,                     -- what colleagues are told
  outside TEXT    NOT NULL,                     -- what others are told; '' = nothing
  deputy  INTEGER NOT NULL                      -- a principal; 0 = nobody
);
CREATE INDEX absence_ends ON absence (ends);

-- What became of mail under other domains, until it is reported to them (RFC 9990).
CREATE TABLE dmarc_result (
  domain   TEXT    NOT NULL,                    -- whose policy was asked
  day      INTEGER NOT NULL,                    -- days since 1970, UTC
  detail   TEXT    NOT NULL,                    -- JSON: trust.aggregate.Observation
  messages INTEGER NOT NULL,
  PRIMARY KEY (domain, day, detail)
) WITHOUT ROWID;

-- The directory: everything that has a name and may own, belong or be allowed.
CREATE TABLE principal (
  id         INTEGER NOT NULL PRIMARY KEY,
  kind       TEXT    NOT NULL,                  -- department unit person group room equipment contact chatroom
  address    TEXT    UNIQUE,                    -- casefolded; NULL for units without one
  name       TEXT    NOT NULL,
  department INTEGER NOT NULL,                  -- the department it belongs to (itself for a department)
  unit       INTEGER NOT NULL,                  -- 0 = directly under the department; parent for a unit
  post       TEXT    NOT NULL,
  head       INTEGER NOT NULL,                  -- 1 = leads the unit, or the department where unit is 0
  disabled   INTEGER NOT NULL,
  data       TEXT    NOT NULL                   -- JSON: telephone, capacity …
);
CREATE INDEX principal_unit ON principal (department, unit, kind);
CREATE INDEX principal_head ON principal (department, unit) WHERE head = 1;
CREATE TABLE domain (
  name       TEXT    NOT NULL PRIMARY KEY,
  department INTEGER NOT NULL
);
CREATE TABLE alias (
  address   TEXT    NOT NULL PRIMARY KEY,
  principal INTEGER NOT NULL
);
CREATE TABLE member (
  principal INTEGER NOT NULL,                   -- the group
  member    INTEGER NOT NULL,                   -- a person or another group
  PRIMARY KEY (principal, member)
) WITHOUT ROWID;
CREATE INDEX member_of ON member (member);
-- In which units' address books somebody's card stands (directory.unit_books).
CREATE TABLE unit_card (
  principal INTEGER NOT NULL,
  unit      INTEGER NOT NULL,
  PRIMARY KEY (principal, unit)
) WITHOUT ROWID;
CREATE INDEX unit_card_unit ON unit_card (unit);
-- Who stands in for a group that has nobody who can log in (directory.posts).
CREATE TABLE deputy (
  principal INTEGER NOT NULL,                   -- the group
  deputy    INTEGER NOT NULL,                   -- a person
  PRIMARY KEY (principal, deputy)
) WITHOUT ROWID;
CREATE INDEX deputy_of ON deputy (deputy);
-- Who holds a post, and for how long (directory.terms). The current ones are its members.
CREATE TABLE term (
  post   INTEGER NOT NULL,                      -- a group that is a post
  person INTEGER NOT NULL,
  starts INTEGER NOT NULL,
  ends   INTEGER NOT NULL,                      -- 0 = not known yet
  acting INTEGER NOT NULL,                      -- 1 = stands in for who holds it
  state  INTEGER NOT NULL,                      -- 0 = to come, 1 = current, 2 = over: as was settled last
  PRIMARY KEY (post, person, starts)
) WITHOUT ROWID;
CREATE INDEX term_person ON term (person);
CREATE INDEX term_due ON term (state, starts) WHERE state < 2;
-- Tasks that are assigned to people by scheduling (storage.assignments).
CREATE TABLE assignment (
  owner     INTEGER NOT NULL,                   -- to whom
  ical_uid  TEXT    NOT NULL,
  holder    INTEGER NOT NULL,                   -- the unit or department whose control list shows it; 0 = none
  organizer TEXT    NOT NULL,
  summary   TEXT    NOT NULL,
  due       INTEGER NOT NULL,                   -- when it is over its time; 0 = never
  remind    INTEGER NOT NULL,                   -- when it is looked at for a reminder; 0 = never
  told      INTEGER NOT NULL,                   -- the due time of the last reminder
  ended     INTEGER NOT NULL,                   -- since when nothing is to be done; 0 = it is open
  PRIMARY KEY (owner, ical_uid)
) WITHOUT ROWID;
CREATE INDEX assignment_remind ON assignment (remind) WHERE remind > 0;
CREATE INDEX assignment_ended ON assignment (ended) WHERE ended > 0;
-- Units in which somebody holds a post beside the one in principal.unit.
CREATE TABLE also_in (
  unit   INTEGER NOT NULL,
  person INTEGER NOT NULL,
  PRIMARY KEY (unit, person)
) WITHOUT ROWID;
CREATE INDEX also_in_person ON also_in (person);
-- Groups whose members follow from a rule (directory.group_rules).
CREATE TABLE group_rule (
  principal  INTEGER NOT NULL PRIMARY KEY,
  department INTEGER NOT NULL,
  rule       TEXT    NOT NULL                   -- JSON: unit, below, post, head, attributes
);
CREATE INDEX group_rule_department ON group_rule (department);
-- What administrators have done in a department, as a chain (storage.acts): only ever added to. owner 0: in all.
CREATE TABLE act (
  owner     INTEGER NOT NULL,
  id        INTEGER NOT NULL,                   -- 1, 2, 3 …
  moment    INTEGER NOT NULL,
  actor     TEXT    NOT NULL,                   -- an address, or the account that ran the command
  verb      TEXT    NOT NULL,
  arguments TEXT    NOT NULL,                   -- JSON, without secrets
  hash      BLOB    NOT NULL,                   -- SHA-256 over the hash before it and this row
  PRIMARY KEY (owner, id)
) WITHOUT ROWID;
CREATE TABLE credential (
  principal INTEGER NOT NULL,
  kind      TEXT    NOT NULL,                   -- argon2 scram-sha-1 scram-sha-256 app
  name      TEXT    NOT NULL,                   -- '' or the device's name of an app password
  value     TEXT    NOT NULL,
  created   INTEGER NOT NULL,
  last_used INTEGER NOT NULL,
  PRIMARY KEY (principal, kind, name)
) WITHOUT ROWID;
-- Programs that people chat with, by the id each has made up for itself (XEP-0388).
CREATE TABLE device (
  principal INTEGER NOT NULL,
  id        TEXT    NOT NULL,                   -- keyed hash of the user-agent's id
  software  TEXT    NOT NULL,
  name      TEXT    NOT NULL,                   -- of the machine, as the program says
  created   INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  password  INTEGER NOT NULL,                   -- when it last logged in with the account's password; 0 = never
  app       TEXT    NOT NULL,                   -- the app password it last logged in with; '' = none
  PRIMARY KEY (principal, id)
) WITHOUT ROWID;
-- XEP-0484: with what they log in again. The token itself is made of the seed and the store's secret.
CREATE TABLE token (
  principal INTEGER NOT NULL,
  device    TEXT    NOT NULL,
  slot      TEXT    NOT NULL,                   -- current, or new: given out and not used yet
  mechanism TEXT    NOT NULL,                   -- the only one it is good for
  seed      BLOB    NOT NULL,
  created   INTEGER NOT NULL,
  expires   INTEGER NOT NULL,
  count     INTEGER NOT NULL,                   -- the highest that was used with it
  PRIMARY KEY (principal, device, slot)
) WITHOUT ROWID;

-- Who is signed in on the pages. The cookie holds the principal and the token, this its SHA-256.
CREATE TABLE web_session (
  principal INTEGER NOT NULL,
  token     BLOB    NOT NULL,
  stage     TEXT    NOT NULL,                   -- whole, or password: a second step is still to be taken
  created   INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  expires   INTEGER NOT NULL,
  peer      TEXT    NOT NULL,                   -- the address it was used from last
  agent     TEXT    NOT NULL,                   -- the browser, as it says
  PRIMARY KEY (principal, token)
) WITHOUT ROWID;
CREATE INDEX web_session_expires ON web_session (expires);

-- OAuth 2.0 (RFC 6749): what a person lets a program do. Ended or refused ones are not kept.
CREATE TABLE oauth_grant (
  principal INTEGER NOT NULL,
  id        TEXT    NOT NULL,
  client    BLOB    NOT NULL,                   -- SHA-256 of the client identifier
  name      TEXT    NOT NULL,                   -- of the program, as the person has seen it
  scope     TEXT    NOT NULL,                   -- space-separated, as asked for and agreed to
  created   INTEGER NOT NULL,
  last_used INTEGER NOT NULL,                   -- 0: the code has not been redeemed
  expires   INTEGER NOT NULL,
  PRIMARY KEY (principal, id)
) WITHOUT ROWID;
-- What shows it: the text given out names the principal, and this holds the SHA-256 of it.
CREATE TABLE oauth_token (
  principal INTEGER NOT NULL,
  hash      BLOB    NOT NULL,
  grant_id  TEXT    NOT NULL,
  kind      TEXT    NOT NULL,                   -- code access refresh
  scope     TEXT    NOT NULL,
  data      TEXT    NOT NULL,                   -- JSON: of a code what it must be redeemed with
  created   INTEGER NOT NULL,
  expires   INTEGER NOT NULL,
  spent     INTEGER NOT NULL,                   -- when a code or refresh token was used; 0 = not yet
  PRIMARY KEY (principal, hash)
) WITHOUT ROWID;
CREATE INDEX oauth_token_grant ON oauth_token (principal, grant_id, kind, created);
-- Programs and services that an administrator has entered; others carry their registration with them.
CREATE TABLE oauth_client (
  id        TEXT    NOT NULL PRIMARY KEY,
  name      TEXT    NOT NULL,
  secret    BLOB    NOT NULL,                   -- SHA-256; empty for a program, which can keep none
  redirects TEXT    NOT NULL,                   -- space-separated URIs
  created   INTEGER NOT NULL
);
-- With what programs administer: the JSON API (storage.api_tokens).
CREATE TABLE api_token (
  id          TEXT    NOT NULL PRIMARY KEY,
  name        TEXT    NOT NULL,                 -- of the program, for people
  hash        BLOB    NOT NULL,                 -- keyed hash of the whole text
  maker       INTEGER NOT NULL,                 -- the person it was made by; 0 = a command
  actor       TEXT    NOT NULL,                 -- who that was, in words
  departments TEXT    NOT NULL,                 -- numbers, space-separated; '*' = all
  scopes      TEXT    NOT NULL,                 -- space-separated
  created     INTEGER NOT NULL,
  expires     INTEGER NOT NULL,
  last_used   INTEGER NOT NULL,                 -- 0 = never
  last_peer   TEXT    NOT NULL                  -- the address it was used from last
);
-- What somebody shows beside the password to sign in to the pages.
CREATE TABLE second_factor (
  principal INTEGER NOT NULL,
  kind      TEXT    NOT NULL,                   -- totp, recovery
  name      TEXT    NOT NULL,                   -- '' for totp; a recovery code's number
  value     BLOB    NOT NULL,                   -- the key; of a recovery code a keyed hash
  created   INTEGER NOT NULL,
  confirmed INTEGER NOT NULL,                   -- 0 while the first code has not been shown
  last_step INTEGER NOT NULL,                   -- RFC 6238: the time step whose code was used last
  PRIMARY KEY (principal, kind, name)
) WITHOUT ROWID;
-- Security keys and passkeys: credential records of Web Authentication.
CREATE TABLE webauthn_credential (
  principal       INTEGER NOT NULL,
  id              BLOB    NOT NULL,             -- the credential id, as the authenticator made it
  name            TEXT    NOT NULL,
  public_key      BLOB    NOT NULL,             -- COSE_Key
  sign_count      INTEGER NOT NULL,             -- the highest seen; 0 where the key does not count
  backup_eligible INTEGER NOT NULL,             -- 1: may be on several devices
  transports      TEXT    NOT NULL,             -- space-separated: usb internal ...
  created         INTEGER NOT NULL,
  last_used       INTEGER NOT NULL,             -- 0 = never
  PRIMARY KEY (principal, id)
) WITHOUT ROWID;
-- Challenges that were answered: none is good twice. Those only given out have no row.
CREATE TABLE webauthn_spent (
  principal INTEGER NOT NULL,
  challenge BLOB    NOT NULL,
  expires   INTEGER NOT NULL,                   -- when it is over by its time
  PRIMARY KEY (principal, challenge)
) WITHOUT ROWID;
CREATE INDEX webauthn_spent_expires ON webauthn_spent (expires);
-- Keys that sign ID tokens of OpenID Connect; the newest whose time has come signs, all are published.
CREATE TABLE oauth_key (
  id      TEXT    NOT NULL PRIMARY KEY,         -- the thumbprint (RFC 7638)
  private TEXT    NOT NULL,                     -- PEM
  created INTEGER NOT NULL,
  starts  INTEGER NOT NULL,                     -- it signs from then on
  ends    INTEGER NOT NULL                      -- it is published until then; 0 = until there is another
);

-- Each person's journal of log-ins: a row for each day, way and address.
CREATE TABLE login (
  principal INTEGER NOT NULL,
  day       INTEGER NOT NULL,                   -- since 1970
  service   TEXT    NOT NULL,
  mechanism TEXT    NOT NULL,
  peer      TEXT    NOT NULL,
  admitted  INTEGER NOT NULL,                   -- 0 = refused
  first     INTEGER NOT NULL,
  last      INTEGER NOT NULL,
  count     INTEGER NOT NULL,
  PRIMARY KEY (principal, day, service, mechanism, peer, admitted)
) WITHOUT ROWID;
-- What each person has connected.
CREATE TABLE connected (
  principal INTEGER NOT NULL,
  part      TEXT    NOT NULL,                   -- mail calendar contacts chat files
  first     INTEGER NOT NULL,
  last      INTEGER NOT NULL,                   -- to the hour
  PRIMARY KEY (principal, part)
) WITHOUT ROWID;

-- Posts of a department, and who has said to have read them.
CREATE TABLE news (
  owner     INTEGER NOT NULL,
  id        INTEGER NOT NULL,                   -- clock.unique_id()
  author    INTEGER NOT NULL,
  created   INTEGER NOT NULL,
  title     TEXT    NOT NULL,
  text      TEXT    NOT NULL,
  must_read INTEGER NOT NULL,
  remind    INTEGER NOT NULL,                   -- when who has not read it is reminded; 0 = never
  reminders INTEGER NOT NULL,                   -- how many there were
  state     TEXT    NOT NULL,                   -- new; told, to chat; gone, to be taken back there
  due       INTEGER NOT NULL,                   -- when chat may take it
  mailbox   INTEGER NOT NULL,                   -- the message that shows it
  uid       INTEGER NOT NULL,
  PRIMARY KEY (owner, id)
) WITHOUT ROWID;
CREATE INDEX news_due ON news (due) WHERE state <> 'told';
CREATE INDEX news_remind ON news (remind) WHERE remind > 0;
CREATE TABLE news_reader (
  owner  INTEGER NOT NULL,
  post   INTEGER NOT NULL,                      -- news.id
  person INTEGER NOT NULL,
  read   INTEGER NOT NULL,
  PRIMARY KEY (owner, post, person)
) WITHOUT ROWID;
CREATE INDEX news_reader_person ON news_reader (owner, person);

-- What people have asked for by a form (directory.forms), and whose decision it waits for.
CREATE TABLE request (
  owner     INTEGER NOT NULL,                   -- who asks
  id        INTEGER NOT NULL,                   -- clock.unique_id()
  form      TEXT    NOT NULL,
  state     TEXT    NOT NULL,                   -- waiting granted refused withdrawn
  step      INTEGER NOT NULL,                   -- how many of the route have decided
  waits_for INTEGER NOT NULL,                   -- a principal; 0 = nobody
  created   INTEGER NOT NULL,
  changed   INTEGER NOT NULL,
  data      TEXT    NOT NULL,                   -- JSON: values, route, decisions, file
  PRIMARY KEY (owner, id)
) WITHOUT ROWID;
CREATE INDEX request_waits ON request (waits_for) WHERE waits_for > 0;

-- XEP-0401: who may become a contact unasked, or register an account (XEP-0445), once.
CREATE TABLE invite (
  token      TEXT    NOT NULL PRIMARY KEY,      -- keyed hash of what was handed out
  inviter    INTEGER NOT NULL,
  domain     TEXT    NOT NULL,                  -- of the account; '' = no account, a contact alone
  local      TEXT    NOT NULL,                  -- its name; '' = whoever is invited chooses
  is_contact INTEGER NOT NULL,                  -- 1 = account and inviter become each other's contacts
  created    INTEGER NOT NULL,
  expires    INTEGER NOT NULL
);
CREATE INDEX invite_inviter ON invite (inviter, expires);
CREATE INDEX invite_local ON invite (domain, local) WHERE local <> '';

-- Who may do what on a collection and below it. rights: bits of directory.access.Rights.
CREATE TABLE grant_ (
  owner      INTEGER NOT NULL,
  collection INTEGER NOT NULL,
  grantee    INTEGER NOT NULL,                  -- a principal; 0 = everybody who is logged in
  rights     INTEGER NOT NULL,
  PRIMARY KEY (owner, collection, grantee)
) WITHOUT ROWID;
CREATE INDEX grant_grantee ON grant_ (grantee);

-- Invitations to calendars and address books (storage.shares); what an accepted one permits is in grant_.
CREATE TABLE share (
  owner      INTEGER NOT NULL,
  collection INTEGER NOT NULL,
  sharee     INTEGER NOT NULL,
  access     TEXT    NOT NULL,                  -- read read-write
  status     TEXT    NOT NULL,                  -- noresponse accepted declined
  summary    TEXT    NOT NULL,
  PRIMARY KEY (owner, collection, sharee)
) WITHOUT ROWID;
CREATE INDEX share_sharee ON share (sharee);
-- What people call what others share with them, and its colour (storage.own_views).
CREATE TABLE own_view (
  person     INTEGER NOT NULL,
  owner      INTEGER NOT NULL,
  collection INTEGER NOT NULL,
  data       TEXT    NOT NULL,                  -- JSON: what stands instead of the collection's
  PRIMARY KEY (person, owner, collection)
) WITHOUT ROWID;
CREATE INDEX own_view_collection ON own_view (owner, collection);

-- Numbers that belong to nobody: next principal id, schema version, server secrets.
CREATE TABLE meta (
  name  TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
);

-- What a command beside the daemon changed, for the daemon to publish; id = clock.unique_id().
CREATE TABLE hint (
  id    INTEGER NOT NULL PRIMARY KEY,
  topic TEXT    NOT NULL,
  data  BLOB    NOT NULL
);

-- Who does a job that must run once (queue, reminders, expiry). token grows with every change of hands:
-- a holder that was away too long finds that its token is no longer the current one.
CREATE TABLE lease (
  name    TEXT    NOT NULL PRIMARY KEY,
  holder  TEXT    NOT NULL,
  token   INTEGER NOT NULL,
  expires INTEGER NOT NULL
);
