-- A device's newest certificate and its end, for a survey of many devices: read from the index alone, in its order.
DROP INDEX certificate_device;
CREATE INDEX certificate_device ON certificate (device, not_before, not_after, revoked_at);
