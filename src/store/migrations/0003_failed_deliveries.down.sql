drop index deliveries_failed;
