-- record_result, record_failure: whether this attempt's answer is kept already: a repeated intent adds nothing.
select 1 from answer where task = ?1 and fence = ?2
