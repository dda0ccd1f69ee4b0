-- Renews a node's lease, but only one that still stands: a lease that ran out may have been reaped.
-- KEYS[1] string  the node's lease
-- ARGV[1] number  lease_ms
-- Returns 1 when renewed, 0 when the lease is gone.
return redis.call('PEXPIRE', KEYS[1], ARGV[1])
