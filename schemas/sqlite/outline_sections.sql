-- outlines: the standing sections without their texts, in order.
select place, words, flags from section where subject = ?1 and revision = ?2 order by place
