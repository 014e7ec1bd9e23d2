"""The s3-sink: writes objects to Amazon S3 and to stores that speak its protocol."""
