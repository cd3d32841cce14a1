# StorageClasses that serve ObjectBucketClaims: what they provide is a bucket, and no volume.
package stategate.lib.buckets

import data.stategate.lib.globs

# Rook puts its namespace first (rook-ceph.ceph.rook.io/bucket), and so does NooBaa.
provisioners := ["*ceph.rook.io/bucket", "*noobaa.io/obc", "aws-s3.io/bucket"]

# Whether the class under review makes buckets: it has no claims, disks, pods or zones.
made if globs.matches_any(provisioners, input.workload.storage_class.provisioner)
