-- retry: what was said of the earlier text does not stand.
delete from verdict where subject = ?1
