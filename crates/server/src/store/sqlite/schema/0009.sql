-- What machine a device object is of, so that its former object is found after the system was laid down anew.
ALTER TABLE device ADD COLUMN hardware BLOB;
CREATE INDEX device_hardware ON device (hardware) WHERE hardware IS NOT NULL;
