-- How the tables spread over a Citus cluster; run once, in the empty database, after the daemon has made
-- the schema. What one owner has lies on one node, so every transaction about one mailbox stays there.
-- Small tables that everybody reads are on every node.
SELECT create_reference_table('principal');
SELECT create_reference_table('domain');
SELECT create_reference_table('alias');
SELECT create_reference_table('member');
SELECT create_reference_table('credential');
SELECT create_reference_table('chatroom');
SELECT create_reference_table('upload');
SELECT create_reference_table('meta');
SELECT create_reference_table('lease');
SELECT create_reference_table('hint');
SELECT create_reference_table('process');
SELECT create_distributed_table('account', 'owner');
SELECT create_distributed_table('collection', 'owner', colocate_with => 'account');
SELECT create_distributed_table('item', 'owner', colocate_with => 'account');
SELECT create_distributed_table('tombstone', 'owner', colocate_with => 'account');
SELECT create_distributed_table('document', 'owner', colocate_with => 'account');
SELECT create_distributed_table('message', 'owner', colocate_with => 'account');
SELECT create_distributed_table('property', 'owner', colocate_with => 'account');
SELECT create_distributed_table('lock', 'owner', colocate_with => 'account');
SELECT create_distributed_table('event', 'owner', colocate_with => 'account');
SELECT create_distributed_table('instance', 'owner', colocate_with => 'account');
SELECT create_distributed_table('card', 'owner', colocate_with => 'account');
SELECT create_distributed_table('archive', 'owner', colocate_with => 'account');
SELECT create_distributed_table('archive_end', 'owner', colocate_with => 'account');
SELECT create_distributed_table('offline', 'owner', colocate_with => 'account');
SELECT create_distributed_table('roster', 'owner', colocate_with => 'account');
SELECT create_distributed_table('session', 'owner', colocate_with => 'account');
SELECT create_distributed_table('pubsub_node', 'owner', colocate_with => 'account');
SELECT create_distributed_table('pubsub_item', 'owner', colocate_with => 'account');
SELECT create_distributed_table('pubsub_affiliation', 'owner', colocate_with => 'account');
SELECT create_distributed_table('pubsub_subscription', 'owner', colocate_with => 'account');
SELECT create_distributed_table('pubsub_redirect', 'owner', colocate_with => 'account');
SELECT create_distributed_table('affiliation', 'owner', colocate_with => 'account');
SELECT create_distributed_table('queue', 'owner', colocate_with => 'account');
SELECT create_distributed_table('grant_', 'owner', colocate_with => 'account');
SELECT create_distributed_table('blob', 'hash', colocate_with => 'none');
